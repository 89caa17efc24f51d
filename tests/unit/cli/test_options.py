"""The flags that the commands share, and how they meet the environment and the code."""

from __future__ import annotations

import math

import pytest

from supervisor import Ladder, Supervisor
from supervisor._cli import options
from supervisor._cli.errors import CommandError
from supervisor._supervisor.settings import LadderFlags, set_flags


def _read(*words: str) -> options.Settings:
    parser = options.Parser("a-test", "a-test", "")
    options.add_flags(parser)
    return options.settings_of(parser.parse_args(words))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], Ladder()),
        (["--drain", "7"], Ladder(drain=7)),
        (["--cancel=1", "--abandon=0.5"], Ladder(cancel=1, abandon=0.5)),
        (["--abandon", "off"], Ladder(abandon=math.inf)),
        (["--grace", "20"], Ladder(total=20)),
        (["--grace", "20", "--cancel", "10"], Ladder(total=20, cancel=10)),
    ],
)
def test_a_flag_sets_its_seconds(words: list[str], expected: Ladder) -> None:
    """The flags are the ladder of each supervisor that is made from then on."""
    try:
        options.install(_read(*words))
        assert Supervisor().ladder == expected
    finally:
        set_flags(LadderFlags())


def test_a_flag_wins_over_the_environment_and_that_over_the_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the command line does not say comes from SUPERVISOR_GRACE, and only then from code."""
    monkeypatch.setenv("SUPERVISOR_GRACE", "11")
    code = Ladder(cancel=3, abandon=2)
    try:
        options.install(_read("--cancel", "4"))
        assert Supervisor(ladder=code).ladder == Ladder(drain=6, cancel=4, abandon=2)
        options.install(_read("--grace", "30"))
        assert Supervisor(ladder=code).ladder == Ladder(total=30, cancel=3, abandon=2)
    finally:
        set_flags(LadderFlags())


def test_a_variable_that_is_not_valid_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused as a flag is, unless `--grace` takes its place."""
    monkeypatch.setenv("SUPERVISOR_GRACE", "soon")
    try:
        with pytest.raises(CommandError, match="'soon' is not valid") as refused:
            options.install(_read())
        assert refused.value.status == 2
        options.install(_read("--grace", "30"))
    finally:
        set_flags(LadderFlags())


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--drain", "soon"], "--drain: 'soon' is not valid"),
        (["--timeout", "-1"], "--timeout"),
        (["--abandon", "nan"], "'nan' is not valid"),
        (["--stop-status", "256"], "0 to 255"),
        (["--loop", "trio"], "--loop"),
        (["--drain", "1", "--grace", "2"], "give only one of them"),
        (["--drai", "1"], "--drai"),
    ],
)
def test_a_bad_flag_is_one_line(words: list[str], named: str) -> None:
    """The error names the flag and what to give, in one line."""
    with pytest.raises(CommandError) as caught:
        _read(*words)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.status == 2


def test_flags_that_exclude_each_other_are_found_before_anything_runs() -> None:
    """An infinite rung within a finite grace is an error of the command line."""
    with pytest.raises(CommandError, match="finite"):
        options.install(_read("--grace", "5", "--cancel", "off"))
    assert Supervisor().ladder == Ladder()

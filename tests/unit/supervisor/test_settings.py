"""The arguments of a Supervisor, checked as it is built."""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import math
import signal
from typing import Any

import pytest

from supervisor import Ladder, Rung, SettingsError, Supervisor
from supervisor._supervisor.facade import parts_of


def test_what_is_no_ladder_is_refused() -> None:
    """Seconds given as a number instead of a `Ladder` are refused."""
    with pytest.raises(SettingsError, match="give a Ladder"):
        Supervisor(ladder=8)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "signals",
    [{"SIGKILL": "DRAIN"}, {"SIGNONE": "DRAIN"}, {signal.SIGTERM: Rung.RUNNING}],
)
def test_a_signal_that_cannot_stop_is_refused(signals: Any) -> None:
    """Bad signals are refused when the supervisor is built."""
    with pytest.raises(SettingsError):
        Supervisor(signals=signals)


@pytest.mark.parametrize("field", ["exits", "guard", "fast_path"])
def test_a_switch_that_is_no_bool_is_refused(field: str) -> None:
    """A word for a switch is refused: "no" would count as on."""
    with pytest.raises(SettingsError, match=f"{field}; give True or False"):
        Supervisor(**{field: "no"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("ready_file", [True, b"ready", "a\0b", "\ud800"])
def test_a_ready_file_that_is_no_path_is_refused(ready_file: Any) -> None:
    """The error names the setting, and says what to give."""
    with pytest.raises(SettingsError, match="ready_file; give the path of a file"):
        Supervisor(ready_file=ready_file)


def test_the_environment_sets_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """`SUPERVISOR_GRACE` is the whole budget, whatever the code says."""
    monkeypatch.setenv("SUPERVISOR_GRACE", "28")
    ladder = Supervisor(ladder=Ladder(drain=1)).ladder
    assert ladder.budget(Rung.DRAIN) == 28
    assert ladder.seconds(Rung.CANCEL) == 2


def test_a_bad_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `SUPERVISOR_GRACE` that is no number is an error that names it."""
    monkeypatch.setenv("SUPERVISOR_GRACE", "soon")
    with pytest.raises(SettingsError, match="SUPERVISOR_GRACE"):
        Supervisor()


def test_without_forced_exit_there_is_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """`SUPERVISOR_GRACE=off` takes the end off the ladder."""
    monkeypatch.setenv("SUPERVISOR_GRACE", "off")
    assert Supervisor().ladder.seconds(Rung.ABANDON) == math.inf


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    """Started with SIGINT ignored (`&` in a shell script), it is not among the defaults."""
    found = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert signal.SIGINT not in parts_of(Supervisor()).settings.handled
        chosen = Supervisor(signals={"SIGINT": "CANCEL"})
        assert signal.SIGINT in parts_of(chosen).settings.handled
    finally:
        signal.signal(signal.SIGINT, found)

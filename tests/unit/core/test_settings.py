"""The settings: what they refuse, how a budget is shared out, and what a signal means."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Mapping
from datetime import timedelta
from signal import Signals
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor._core import settings
from supervisor._core.errors import SettingsError
from supervisor._core.events import Rung, StopRequest
from supervisor._core.settings import Ladder, parse_children, parse_signals

SECONDS = st.floats(0, 1e6)


def seconds(ladder: Ladder) -> tuple[float, float, float]:
    """Return the seconds of the three rungs that take time."""
    return ladder.drain, ladder.cancel, ladder.abandon


class TestLadder:
    """The seconds of each rung."""

    def test_defaults(self) -> None:
        """The default ladder fits into the 10 s of `docker stop`."""
        assert seconds(Ladder()) == (5, 2, 1)
        assert Ladder().budget(Rung.DRAIN) == 8

    @pytest.mark.parametrize("field", ["drain", "cancel", "abandon", "total"])
    @pytest.mark.parametrize(
        "value", [-1, -0.001, -math.inf, math.nan, 10**400, True, "5", 1j, [5]]
    )
    def test_refuses(self, field: str, value: Any) -> None:
        """A value that is no number of seconds is refused with the field and the value."""
        with pytest.raises(SettingsError, match=f" is not valid for {field}; ") as caught:
            Ladder(**{field: value})

        assert caught.value.field == field
        assert caught.value.value is value

    @pytest.mark.parametrize("field", ["drain", "cancel", "abandon"])
    def test_none_is_no_limit_nowhere(self, field: str) -> None:
        """None is refused: to some it says "no limit", to others "the default"."""
        with pytest.raises(SettingsError, match=r"None is .* \(inf: no limit\)"):
            Ladder(**{field: None})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    def test_seconds_are_floats(self) -> None:
        """Whole numbers are taken, and kept as floats."""
        assert [type(value) for value in seconds(Ladder(drain=5, cancel=0, abandon=1))] == [
            float
        ] * 3

    def test_infinite_rungs(self) -> None:
        """Each rung may be without limit."""
        assert seconds(Ladder(drain=math.inf, cancel=math.inf, abandon=math.inf)) == (math.inf,) * 3

    def test_frozen(self) -> None:
        """A ladder cannot be changed after it was checked."""
        with pytest.raises(dataclasses.FrozenInstanceError):
            Ladder().drain = -1  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]

    def test_replace(self) -> None:
        """`dataclasses.replace` changes one rung and checks it."""
        assert dataclasses.replace(Ladder(total=28), cancel=4) == Ladder(drain=25, cancel=4)
        with pytest.raises(SettingsError):
            dataclasses.replace(Ladder(), cancel=-1)

    def test_repr(self) -> None:
        """The repr is short, and reads like what builds the ladder."""
        assert repr(Ladder(total=28.5)) == "Ladder(drain=25.5, cancel=2, abandon=1)"
        assert repr(Ladder(abandon=math.inf)) == "Ladder(drain=5, cancel=2, abandon=inf)"

    def test_seconds_of_a_rung(self) -> None:
        """RUNNING and EXIT take no seconds of the ladder."""
        assert [Ladder().seconds(rung) for rung in Rung] == [0, 5, 2, 1, 0]

    def test_a_rung_by_its_name(self) -> None:
        """The seconds of a rung can be asked for by its name, and an unknown name is refused."""
        ladder = Ladder(drain=5, cancel=2, abandon=1)
        assert (ladder.seconds("drain"), ladder.budget("CANCEL")) == (5.0, 3.0)
        with pytest.raises(SettingsError, match="give DRAIN"):
            ladder.seconds("drian")

    def test_budget(self) -> None:
        """The budget of a stop is what is left of the ladder from where it enters."""
        assert [Ladder().budget(rung) for rung in Rung] == [8, 8, 3, 1, 0]
        assert Ladder(cancel=math.inf).budget(Rung.DRAIN) == math.inf


class TestTotal:
    """The whole budget, and how it is shared out."""

    @pytest.mark.parametrize(
        ("total", "expected"),
        [
            (28, (25, 2, 1)),
            (3, (0, 2, 1)),
            (1.5, (0, 1, 0.5)),
            (0, (0, 0, 0)),
            (math.inf, (5, 2, math.inf)),
        ],
    )
    def test_shares_out(self, total: float, expected: tuple[float, float, float]) -> None:
        """The later rungs come first, DRAIN has the rest; too little is shared in proportion."""
        assert seconds(Ladder(total=total)) == expected

    @given(total=SECONDS, cancel=SECONDS, abandon=SECONDS)
    def test_is_kept(self, total: float, cancel: float, abandon: float) -> None:
        """A finite total is used up, whatever the later rungs want, and gives none of them more."""
        ladder = Ladder(total=total, cancel=cancel, abandon=abandon)

        assert ladder.budget(Rung.DRAIN) == pytest.approx(total)
        assert 0 <= ladder.cancel <= cancel
        assert 0 <= ladder.abandon <= abandon

    @pytest.mark.parametrize("drain", [5.0, 5, 0, 25])
    def test_not_with_drain(self, drain: float) -> None:
        """Both drain and total are refused, also where they agree, or drain is its default."""
        with pytest.raises(SettingsError, match="give either drain or total") as caught:
            Ladder(drain=drain, total=28)

        assert (caught.value.field, caught.value.value) == ("total", 28)

    @pytest.mark.parametrize("field", ["cancel", "abandon"])
    def test_not_with_infinity(self, field: str) -> None:
        """A finite total cannot hold an infinite later rung."""
        with pytest.raises(SettingsError, match=r"28\.0 is not valid for total; give finite"):
            Ladder(total=28, **{field: math.inf})

    @pytest.mark.parametrize(
        ("ladder", "total", "expected"),
        [
            (Ladder(drain=9, cancel=4, abandon=2), 28, (22, 4, 2)),
            (Ladder(drain=9, cancel=4, abandon=2), 3, (0, 2, 1)),
            (Ladder(drain=9, cancel=4, abandon=2), math.inf, (9, 4, math.inf)),
            (Ladder(drain=math.inf), 28, (25, 2, 1)),
            (Ladder(cancel=4, abandon=math.inf), 28, (23, 4, 1)),
            (Ladder(cancel=math.inf), 28, (25, 2, 1)),
        ],
    )
    def test_within(
        self, ladder: Ladder, total: float, expected: tuple[float, float, float]
    ) -> None:
        """A ladder fits into another budget with the later rungs that it has."""
        assert seconds(ladder.within(total)) == expected

    @pytest.mark.parametrize("total", [-1, math.nan])
    def test_within_refuses(self, total: float) -> None:
        """A budget is checked as any number of seconds is."""
        with pytest.raises(SettingsError, match="is not valid for total"):
            Ladder().within(total)


class TestEnvironment:
    """The budget that the deployment gives."""

    @pytest.mark.parametrize("environ", [{}, {"SUPERVISOR_GRACE": ""}, {"SUPERVISOR_GRACE": " "}])
    def test_unset(self, environ: Mapping[str, str]) -> None:
        """A variable that is unset, or set to nothing, changes nothing."""
        ladder = Ladder(drain=9)

        assert ladder.from_environment(environ) is ladder

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("28", (24, 3, 1)),
            (" 28.5 ", (24.5, 3, 1)),
            ("0", (0, 0, 0)),
            ("off", (9, 3, math.inf)),
            ("OFF", (9, 3, math.inf)),
            ("inf", (9, 3, math.inf)),
        ],
    )
    def test_wins(self, value: str, expected: tuple[float, float, float]) -> None:
        """The deployment's budget goes before the code's; "off" means no EXIT."""
        ladder = Ladder(drain=9, cancel=3).from_environment({"SUPERVISOR_GRACE": value})

        assert seconds(ladder) == expected

    def test_wins_over_no_exit(self) -> None:
        """The deployment's budget holds also where the code wanted no EXIT."""
        ladder = Ladder(abandon=math.inf).from_environment({"SUPERVISOR_GRACE": "28"})

        assert seconds(ladder) == (25, 2, 1)

    @pytest.mark.parametrize("value", ["28s", "-1", "nan", "on", "5,5"])
    def test_refuses(self, value: str) -> None:
        """A bad value is refused with the name of the variable, and with what to give."""
        with pytest.raises(SettingsError, match=r"SUPERVISOR_GRACE; give .* or off") as caught:
            Ladder().from_environment({"SUPERVISOR_GRACE": value})

        assert caught.value.field == "SUPERVISOR_GRACE"
        assert caught.value.value == value
        assert caught.value.__suppress_context__


class TestSignals:
    """The signals and where they enter."""

    def test_defaults(self) -> None:
        """SIGTERM drains and SIGINT cancels; SIGHUP does where a terminal can hang up."""
        daemon = {Signals.SIGTERM: Rung.DRAIN, Signals.SIGINT: Rung.CANCEL}

        assert parse_signals(None, stdin_is_tty=False) == daemon
        assert parse_signals(None, stdin_is_tty=True) == {**daemon, Signals.SIGHUP: Rung.CANCEL}

    def test_on_windows_ctrl_break_drains(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where there is a SIGBREAK, and no SIGHUP, Ctrl-Break drains as SIGTERM does."""

        class WindowsSignals(enum.IntEnum):
            SIGINT = 2
            SIGTERM = 15
            SIGBREAK = 21

        monkeypatch.setattr(settings, "Signals", WindowsSignals)
        found = {key.name: rung for key, rung in parse_signals(None, stdin_is_tty=True).items()}
        assert found == {"SIGTERM": Rung.DRAIN, "SIGBREAK": Rung.DRAIN, "SIGINT": Rung.CANCEL}

    @pytest.mark.parametrize("stdin_is_tty", [False, True])
    def test_none_at_all(self, *, stdin_is_tty: bool) -> None:
        """An empty mapping means no signals, not the defaults."""
        assert parse_signals({}, stdin_is_tty=stdin_is_tty) == {}

    @pytest.mark.parametrize(
        "key", [Signals.SIGTERM, 15, "SIGTERM", "TERM", "sigterm", "term"], ids=repr
    )
    @pytest.mark.parametrize("rung", [Rung.ABANDON, "ABANDON", "abandon"], ids=repr)
    def test_spellings(self, key: Signals | int | str, rung: Rung | str) -> None:
        """A signal and a rung may be given by name in any case, a signal by number too."""
        assert parse_signals({key: rung}, stdin_is_tty=True) == {Signals.SIGTERM: Rung.ABANDON}

    @pytest.mark.parametrize(
        ("key", "rule"),
        [
            (Signals.SIGKILL, "SIGKILL is not valid for signals; .* no process can catch it"),
            ("STOP", "SIGSTOP .* no process can catch it"),
            (Signals.SIGSEGV, "a fault"),
            ("SIGFPE", "a fault"),
            ("ILL", "a fault"),
            (7, "SIGBUS .* a fault"),
            ("SIGCHLD", "children"),
            ("SIGCLD", "SIGCHLD .* children"),
            ("SIGTREM", "'SIGTREM' .* give a signal that this platform has"),
            ("", "give a signal"),
            (0, "0 .* give a signal"),
            (-15, "give a signal"),
            (999, "give a signal"),
        ],
    )
    def test_refuses_signal(self, key: Signals | int | str, rule: str) -> None:
        """A signal that is unknown, or cannot mean a stop, is refused with the reason."""
        with pytest.raises(SettingsError, match=rule) as caught:
            parse_signals({key: Rung.CANCEL}, stdin_is_tty=False)

        assert caught.value.field == "signals"

    @pytest.mark.parametrize("rung", [Rung.RUNNING, "running", "KILL", "", 2, None, True])
    def test_refuses_rung(self, rung: Any) -> None:
        """A rung that is unknown, or is no stop, is refused with those that are."""
        with pytest.raises(SettingsError, match="give DRAIN, CANCEL, ABANDON or EXIT") as caught:
            parse_signals({Signals.SIGTERM: rung}, stdin_is_tty=False)

        assert caught.value.value is rung

    @pytest.mark.parametrize("signals", [["SIGTERM"], "SIGTERM", {Signals.SIGTERM}, 15, True])
    def test_refuses_what_is_no_mapping(self, signals: Any) -> None:
        """Signals without rungs are refused, with the form to write instead."""
        with pytest.raises(SettingsError, match="not valid for signals; give a mapping"):
            parse_signals(signals, stdin_is_tty=False)

    def test_refuses_twice(self) -> None:
        """A signal under two spellings is refused: which one holds is anybody's guess."""
        with pytest.raises(SettingsError, match="SIGTERM is not valid for signals; give each"):
            parse_signals({15: Rung.DRAIN, "TERM": Rung.CANCEL}, stdin_is_tty=False)


class TestEvents:
    """The records, as far as they do anything."""

    def test_rungs_are_ordered(self) -> None:
        """The rungs are ordered as they are climbed."""
        names = [rung.name for rung in sorted(Rung)]

        assert names == ["RUNNING", "DRAIN", "CANCEL", "ABANDON", "EXIT"]

    def test_stop_request_is_dated(self) -> None:
        """A stop request knows its time, aware and in UTC."""
        request = StopRequest(reason="client left", rung=Rung.CANCEL)

        assert request.signal is None
        assert request.time.utcoffset() == timedelta(0)


@pytest.mark.parametrize("value", ["own", "end", "leave"])
def test_children_is_one_of_three_words(value: str) -> None:
    """Which of the processes that were started a stop ends."""
    assert parse_children(value) == value


@pytest.mark.parametrize("value", ["all", "", None, True, 1])
def test_another_word_for_children_is_refused(value: object) -> None:
    """The error says which there are."""
    with pytest.raises(SettingsError, match=r"children.*'own', 'end' or 'leave'"):
        parse_children(value)

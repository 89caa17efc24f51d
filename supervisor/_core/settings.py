"""Settings: the seconds of the ladder, and the rung at which each signal enters it.

They are checked when they are built, so that a bad value is an error in the program's first second
and not in its last.

Why seconds for each rung and not one timeout: the rungs serve different owners. DRAIN lets work
finish that is worth it, and takes all the time that can be spared. CANCEL is for the `finally` of
other people's code. ABANDON is for our own report. So a whole budget (`total=28`) goes to the later
rungs first, and what is left to DRAIN.

Why the environment wins over the code: whoever deploys the program knows when it will be killed,
the code only guesses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, replace
from signal import Signals
from typing import Final, Literal, get_args

from supervisor._core.errors import SettingsError
from supervisor._core.events import Rung

__all__ = [
    "GRACE_VARIABLE",
    "Children",
    "Ladder",
    "parse_children",
    "parse_rung",
    "parse_seconds",
    "parse_signals",
    "parse_switch",
]

Children = Literal["own", "end", "leave"]
"""The processes started by the program that a stop by a signal ends; see `Supervisor`."""

GRACE_VARIABLE: Final = "SUPERVISOR_GRACE"

# Compared by identity: a drain that the user gives is another object, even where it is 5.0.
_DRAIN: Final = float("5")

_SECONDS = "give a number of seconds, 0 or more (inf: no limit)"
_EITHER = "give either drain or total (drain is what total leaves to the later rungs)"
_FINITE = "give finite cancel and abandon with it, or leave total out"
_GRACE = "give the whole budget as a number of seconds, 0 or more, or off for no forced exit"

_RUNG = "give DRAIN, CANCEL, ABANDON or EXIT as the rung"

_MAPPING = 'give a mapping of signals to rungs, as {"SIGTERM": "DRAIN"}; {} installs nothing'
_UNKNOWN = "give a signal that this platform has, as signal.SIGTERM or its name"
_NOT_CAUGHT = "leave it out, no process can catch it"
_FAULT = "leave it out, it reports a fault of the running code, which no handler outlives"
_CHILDREN = "leave it out, it tells of children that ended, and is no request to stop"
_REFUSED: Final = {  # by name, for not every platform has them
    "SIGKILL": _NOT_CAUGHT,
    "SIGSTOP": _NOT_CAUGHT,
    "SIGSEGV": _FAULT,
    "SIGFPE": _FAULT,
    "SIGILL": _FAULT,
    "SIGBUS": _FAULT,
    "SIGCHLD": _CHILDREN,
}


@dataclass(frozen=True, kw_only=True, repr=False)
class Ladder:
    """How many seconds each rung of a stop may take.

    The defaults add up to 8 s: inside the 10 s that `docker stop` leaves.

    Example:
        `Ladder(drain=20)`, `Ladder(total=28)`, `Ladder(abandon=math.inf)`

    Args:
        drain: Seconds for the current turn to finish.
        cancel: Seconds for what was cancelled to end.
        abandon: Seconds to give up the rest, before the process is ended; inf: it never is.
        total: Seconds for all three, in place of `drain`, which gets what the others leave. Where
            they leave nothing, drain is 0 and the others shrink in proportion. inf: as
            `abandon=inf`. Not an attribute: read `budget(Rung.DRAIN)`.

    Raises:
        SettingsError: For NaN, less than 0 or no number; for both `drain` and `total`; for an
            infinite `cancel` or `abandon` in a finite `total`.
    """

    drain: float = _DRAIN
    cancel: float = 2.0
    abandon: float = 1.0
    total: InitVar[float | None] = None

    def __post_init__(self, total: float | None) -> None:
        drain_given = self.drain is not _DRAIN
        for field in ("drain", "cancel", "abandon"):
            self._set(field, parse_seconds(field, getattr(self, field)))
        if total is None:
            return
        if drain_given:
            raise SettingsError("total", _EITHER, total)
        self._share(parse_seconds("total", total))

    def __repr__(self) -> str:
        return f"Ladder(drain={self.drain:g}, cancel={self.cancel:g}, abandon={self.abandon:g})"

    def seconds(self, rung: Rung | str) -> float:
        """Return the seconds of `rung`; 0 for RUNNING and EXIT, which have no limit of time.

        Raises:
            SettingsError: There is no such rung.
        """
        timed = {Rung.DRAIN: self.drain, Rung.CANCEL: self.cancel, Rung.ABANDON: self.abandon}
        return timed.get(parse_rung("rung", rung), 0.0)

    def budget(self, entry: Rung | str) -> float:
        """Return the seconds of a stop that enters at `entry`, up to and including ABANDON.

        Raises:
            SettingsError: There is no such rung.
        """
        entry = parse_rung("entry", entry)
        return sum(self.seconds(rung) for rung in Rung if rung >= entry)

    def within(self, total: float) -> Ladder:
        """Return a ladder of `total` seconds in all, with the same later rungs as far as they fit.

        It must always work, because the environment asks for it. So an infinite later rung, which
        fits into nothing, is replaced by its default.

        Raises:
            SettingsError: For NaN, less than 0, or no number.
        """
        if total == math.inf:
            return replace(self, abandon=math.inf)
        later = {"cancel": self.cancel, "abandon": self.abandon}
        finite = {field: seconds for field, seconds in later.items() if seconds < math.inf}
        return Ladder(total=total, **finite)

    def from_environment(self, environ: Mapping[str, str]) -> Ladder:
        """Return the ladder within `SUPERVISOR_GRACE` (seconds or "off"); unset or empty: itself.

        Raises:
            SettingsError: For anything else, naming the variable.
        """
        value = environ.get(GRACE_VARIABLE, "").strip()
        if not value:
            return self
        if value.lower() == "off":
            return self.within(math.inf)
        try:
            return self.within(float(value))
        except ValueError:  # of float(), or our own, which is one too
            raise SettingsError(GRACE_VARIABLE, _GRACE, value) from None

    def _share(self, total: float) -> None:
        later = self.cancel + self.abandon
        if total == math.inf:
            self._set("abandon", total)
        elif later == math.inf:
            raise SettingsError("total", _FINITE, total)
        elif total >= later:
            self._set("drain", total - later)
        else:
            self._set("drain", 0.0)
            self._set("cancel", self.cancel * (total / later))
            self._set("abandon", self.abandon * (total / later))

    def _set(self, field: str, seconds: float) -> None:
        object.__setattr__(self, field, seconds)  # the dataclass is frozen


def parse_signals(
    signals: Mapping[Signals | int | str, Rung | str] | None, *, stdin_is_tty: bool
) -> Mapping[Signals, Rung]:
    """Return the rung at which each signal enters the ladder.

    Args:
        signals: Signals and rungs, also by name in any case ("SIGTERM", "term"). None: SIGTERM (on
            Windows SIGBREAK, too) to DRAIN, SIGINT to CANCEL, SIGHUP to CANCEL where there is a
            terminal to hang up (a daemon's SIGHUP means "read your settings again").
        stdin_is_tty: Whether standard input is a terminal.

    Raises:
        SettingsError: For anything but a mapping; for a signal that is unknown, cannot be caught,
            is no request to stop, or is given twice; for an unknown rung, and for RUNNING.
    """
    if signals is None:
        return _default_signals(stdin_is_tty=stdin_is_tty)
    if not isinstance(signals, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise SettingsError("signals", _MAPPING, signals)
    entries: dict[Signals, Rung] = {}
    for key, rung in signals.items():
        number = _signal(key)
        if number in entries:  # as 15 and as "SIGTERM"
            raise SettingsError("signals", "give each signal once", number)
        entries[number] = parse_rung("signals", rung)
        if entries[number] is Rung.RUNNING:
            raise SettingsError("signals", _RUNG, rung)
    return entries


def _default_signals(*, stdin_is_tty: bool) -> Mapping[Signals, Rung]:
    entries = {"SIGTERM": Rung.DRAIN, "SIGINT": Rung.CANCEL, "SIGBREAK": Rung.DRAIN}
    if stdin_is_tty:
        entries["SIGHUP"] = Rung.CANCEL
    # SIGBREAK is Windows' own: what its parent can send it for SIGTERM. It has no SIGHUP.
    return {Signals[name]: rung for name, rung in entries.items() if name in Signals.__members__}


def parse_seconds(field: str, value: object) -> float:
    """Return a number of seconds as a float; inf is valid.

    Args:
        field: The setting, for the error.
        value: What was given for it.

    Raises:
        SettingsError: For NaN, less than 0, a bool, or no number.
    """
    # `not >=` in place of `<`: every comparison with NaN is false.
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise SettingsError(field, _SECONDS, value)
    try:
        return float(value)
    except OverflowError:  # an int of more than 308 digits
        raise SettingsError(field, _SECONDS, value) from None


def parse_timeout(value: object) -> float | None:
    """Return a time limit in seconds; None for none.

    Raises:
        SettingsError: It is no number of seconds.
    """
    return None if value is None else parse_seconds("timeout", value)


def parse_switch(field: str, value: object) -> bool:
    """Return the value of a setting that is on or off.

    Args:
        field: The setting, for the error.
        value: What was given for it.

    Raises:
        SettingsError: For anything but True and False. ("no" would count as True.)
    """
    if not isinstance(value, bool):
        raise SettingsError(field, "give True or False", value)
    return value


def _signal(key: Signals | int | str) -> Signals:
    try:
        number = Signals[_full_name(key)] if isinstance(key, str) else Signals(key)
    except (KeyError, ValueError):
        raise SettingsError("signals", _UNKNOWN, key) from None
    if number.name in _REFUSED:
        raise SettingsError("signals", _REFUSED[number.name], number)
    return number


def parse_children(value: object) -> Children:
    """Return the value of the setting `children`.

    Raises:
        SettingsError: For anything but its words.
    """
    for word in get_args(Children):
        if value == word:
            return word  # type: ignore[no-any-return]
    raise SettingsError("children", "give 'own', 'end' or 'leave'", value)


def _full_name(name: str) -> str:
    return "SIG" + name.upper().removeprefix("SIG")


def parse_rung(field: str, value: Rung | str) -> Rung:
    """Return the rung that was given, by itself or by its name in any case ("drain").

    Args:
        field: The setting, for the error.
        value: What was given for it.

    Raises:
        SettingsError: There is no such rung.
    """
    rung = Rung.__members__.get(value.upper()) if isinstance(value, str) else value
    # A plain int is refused: `2` says nothing to the reader of a program.
    if not isinstance(rung, Rung):
        raise SettingsError(field, _RUNG, value)
    return rung

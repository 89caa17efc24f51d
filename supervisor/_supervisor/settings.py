"""What a Supervisor is set to: its arguments, checked as it is built.

A bad value is then an error in the program's first second, and not in its last.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from supervisor._checkpoints.settings import Durability, KeepingSettings
from supervisor._core.errors import SettingsError
from supervisor._core.events import Rung
from supervisor._core.settings import (
    Children,
    Ladder,
    parse_children,
    parse_signals,
    parse_switch,
)
from supervisor._process.readiness import ReadyFile
from supervisor._signals import debuggers, interpreters
from supervisor._supervisor.keeping import parse_keeping

if TYPE_CHECKING:
    from supervisor._checkpoints.store import CheckpointStore

SignalRungs: TypeAlias = Mapping[signal.Signals | int | str, Rung | str]
"""Which signals stop, each with the rung at which it enters the ladder."""

_NOT_INTERACTIVE = 'add "SIGINT" to signals, or leave signals out: that signal interrupts the runs'

_NO_GUARD = "leave it out with exits=False: a guard only ends the process, which that rules out"


@dataclass(frozen=True)
class LadderFlags:
    """The seconds that the command line gives; None where it says nothing."""

    drain: float | None = None
    cancel: float | None = None
    abandon: float | None = None
    grace: float | None = None

    def apply(self, ladder: Ladder, environ: Mapping[str, str]) -> Ladder:
        """Return a ladder by these flags, then the environment, then the code.

        Raises:
            SettingsError: The flags or the environment have a value that cannot be.
        """
        rungs = {"drain": self.drain, "cancel": self.cancel, "abandon": self.abandon}
        given = {rung: seconds for rung, seconds in rungs.items() if seconds is not None}
        if self.grace is not None:
            Ladder(total=self.grace, **given)  # raises where they exclude each other
            return replace(ladder, **given).within(self.grace)
        return replace(ladder.from_environment(environ), **given)


_flags = LadderFlags()


def set_flags(flags: LadderFlags) -> None:
    """Have each Supervisor of this process that is made from now on obey these flags."""
    global _flags  # noqa: PLW0603 - a process has one command line
    _flags = flags


@dataclass(frozen=True, kw_only=True)
class SupervisorSettings:
    """The arguments of `Supervisor`, where each is explained, in their parsed form."""

    ladder: Ladder
    signals: Mapping[int, Rung]
    """Those that stop; not SIGINT, if that only interrupts."""
    handled: frozenset[int]
    """The numbers of these signals, and SIGINT's if that interrupts."""
    exits: bool | None
    """Whether the process may be ended: always, by a stop by a signal (None), or never."""
    interactive: bool
    """Whether SIGINT ends the runs only."""
    fast_path: bool
    guard: bool
    ready_file: ReadyFile | None
    children: Children
    keeping: KeepingSettings | None
    """How runs are kept; None where none are."""


def parse(  # noqa: PLR0913 - each setting by its name
    *,
    ladder: Ladder | None,
    signals: SignalRungs | None,
    exits: bool | None,
    guard: bool | None,
    ready_file: str | os.PathLike[str] | None,
    children: Children | None,
    fast_path: bool,
    interactive: bool,
    checkpoints: str | CheckpointStore | None,
    durability: Durability,
    lease: float,
    idempotent: Collection[str],
) -> SupervisorSettings:
    """Check the arguments of `Supervisor`.

    Raises:
        SettingsError: One of them cannot be.
    """
    seconds = _parse_ladder(ladder)
    rungs = _parse_signals(signals)
    handled = frozenset(rungs)
    if parse_switch("interactive", interactive):
        if signals is not None and signal.SIGINT not in rungs:
            raise SettingsError("interactive", _NOT_INTERACTIVE, interactive)
        rungs.pop(signal.SIGINT, None)
    may_exit = parse_exits(exits)
    return SupervisorSettings(
        ladder=seconds,
        signals=rungs,
        handled=handled,
        interactive=interactive,
        exits=may_exit,
        fast_path=parse_switch("fast_path", fast_path),
        guard=_parse_guard(guard, exits=exits, may_exit=may_exit),
        ready_file=_parse_ready_file(ready_file),
        children="leave" if children is None else parse_children(children),
        keeping=parse_keeping(checkpoints, durability, lease, idempotent),
    )


def parse_exits(given: object) -> bool | None:
    """Return whether the process may be ended: None becomes False where somebody works in it.

    Raises:
        SettingsError: It is no such value.
    """
    if given is not None:
        return parse_switch("exits", given)
    is_used = interpreters.is_interactive() or debuggers.is_attached() or debuggers.is_traced()
    return False if is_used else None


def _parse_guard(given: object, *, exits: object, may_exit: bool | None) -> bool:
    is_wanted = given is not None and parse_switch("guard", given)
    if is_wanted and exits is False:
        raise SettingsError("guard", _NO_GUARD, given)
    if is_wanted and may_exit is False:
        from supervisor._reports import log_events  # now: structlog is slow to import
        from supervisor._reports.log import reporter

        reporter.event(log_events.NO_GUARD_WANTED)
        return False
    return is_wanted


def _parse_ladder(ladder: Ladder | None) -> Ladder:
    if ladder is not None and not isinstance(ladder, Ladder):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise SettingsError("ladder", "give a Ladder, as Ladder(drain=5, cancel=2)", ladder)
    return _flags.apply(ladder or Ladder(), os.environ)


def _parse_signals(given: SignalRungs | None) -> dict[int, Rung]:
    stdin_is_tty = sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()
    parsed = parse_signals(given, stdin_is_tty=stdin_is_tty)
    if given is not None:
        return dict(parsed.items())
    return {number: rung for number, rung in parsed.items() if not _was_ignored(number)}


def _was_ignored(number: int) -> bool:
    # A signal that was ignored when the process started (nohup, `&` in a shell script) stays so.
    # A kernel that is idle ignores SIGINT by itself.
    if signal.getsignal(number) != signal.SIG_IGN:
        return False
    return number != signal.SIGINT or not interpreters.is_in_kernel()


def _parse_ready_file(given: Any) -> ReadyFile | None:
    if given is None:
        return None
    try:
        path = cast(object, os.fspath(given))
    except TypeError:
        path = None
    if not isinstance(path, str) or not _can_be_path(path):
        raise SettingsError("ready_file", "give the path of a file", given)
    return ReadyFile(path)


def _can_be_path(place: str) -> bool:
    try:
        return b"\0" not in os.fsencode(place)
    except UnicodeEncodeError:
        return False

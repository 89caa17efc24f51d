"""The flags that the commands share: the settings of a stop, and how a team file may be loaded.

A flag wins over the environment, and the environment over the code: a flag is what somebody has
just typed.
"""

from __future__ import annotations

import argparse
import math
import os
from dataclasses import dataclass
from typing import Final, Literal, NoReturn

from supervisor._cli.errors import CommandError

STORE_VARIABLE: Final = "SUPERVISOR_CHECKPOINTS"
"""Names the store where `--checkpoints` does not."""

_STATUS_MAX: Final = 255
_OFF: Final = "off"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the flags say; None where one was not given."""

    drain: float | None = None
    cancel: float | None = None
    abandon: float | None = None
    grace: float | None = None
    timeout: float | None = None
    loop: Literal["uvloop", "asyncio"] | None = None
    stop_status: int | None = None
    quiet: bool = False


class Parser(argparse.ArgumentParser):
    """An argument parser whose error is one line.

    Args:
        command: The command.
        usage: Its usage, without "usage:".
        about: What it does, as lines that stay as they are.
        epilog: What stands behind the options.
    """

    def __init__(self, command: str, usage: str, about: str, epilog: str | None = None) -> None:
        super().__init__(
            prog=f"autogen-supervisor {command}",
            usage=usage,
            description=about,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where to look."""
        raise CommandError(f"{message}; see `{self.prog} --help`")


def seconds(value: str) -> float:
    """Return a number of seconds; inf for "off".

    Raises:
        ArgumentTypeError: It is none.
    """
    try:
        number = math.inf if value.lower() == _OFF else float(value)
    except ValueError:
        number = -1.0
    if not number >= 0:  # NaN too
        what = "give a number of seconds, 0 or more, or off for no limit"
        raise argparse.ArgumentTypeError(f"{value!r} is not valid; {what}")
    return number


def exit_status(value: str) -> int:
    """Return an exit status.

    Raises:
        ArgumentTypeError: It is none.
    """
    if not (value.isascii() and value.isdecimal() and int(value) <= _STATUS_MAX):
        raise argparse.ArgumentTypeError(f"{value!r} is not valid; give a status from 0 to 255")
    return int(value)


def run_name(value: str) -> str:
    """Return the name of a run that is kept.

    Raises:
        ArgumentTypeError: It is empty.
    """
    if not value.strip():
        raise argparse.ArgumentTypeError("give the run a name, as report-7")
    return value


_SECONDS: Final[dict[str, str]] = {
    "drain": "for the current turn to finish (5)",
    "cancel": "for what was cancelled to end (2)",
    "abandon": "to give up the rest, before the process is ended (1)",
    "grace": "for all three; --drain gets what the others leave (SUPERVISOR_GRACE)",
    "timeout": "until the run is stopped, with status 124",
}

FLAGS_WITH_VALUE: Final = (*(f"--{name}" for name in _SECONDS), "--loop", "--stop-status")


def add_flags(parser: argparse.ArgumentParser, *, ends: bool = True) -> None:
    """Add the flags of the settings to a command's parser.

    Args:
        parser: The parser.
        ends: Whether the command has one run, which ends; else some have no meaning.
    """
    group = parser.add_argument_group(
        "settings of a stop", "A flag wins over the environment, and that over the code."
    )
    for name, what in _SECONDS.items():
        if name == "timeout" and not ends:
            continue
        flag, shown = f"--{name}", f"seconds {what}"
        group.add_argument(flag, type=seconds, metavar="SECONDS", help=shown)
    group.add_argument("--loop", choices=["uvloop", "asyncio"], help="the event loop (uvloop)")
    what = "exit with N when stopped by a signal, not by it"
    group.add_argument("--stop-status", type=exit_status, metavar="N", help=what)
    if ends:
        group.add_argument("--quiet", action="store_true", help="show only the last message")
    else:
        parser.set_defaults(timeout=None, quiet=False)


def add_team_file_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say how a team file may be loaded."""
    group = parser.add_argument_group("team files")
    group.add_argument("--trust", action="store_true", help="let it start programs and run code")
    group.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="NAMESPACE",
        help="load classes from this package, too",
    )
    group.add_argument("--select", metavar="NAME", help="take this team out of a gallery")


def add_store_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag that names a store to a command's parser, with what belongs to it."""
    group = parser.add_argument_group("the store of the runs")
    shown = f"sqlite:///runs.db, postgresql://... ({STORE_VARIABLE}; else the user's own)"
    group.add_argument("--checkpoints", metavar="URL", help=shown)


def settings_of(parsed: argparse.Namespace) -> Settings:
    """Return the settings among what a parser with these flags has read.

    Raises:
        CommandError: Two of them exclude each other.
    """
    settings = Settings(**{name: getattr(parsed, name) for name in Settings.__annotations__})
    if settings.grace is not None and settings.drain is not None:
        raise CommandError("--drain is what --grace leaves to it; give only one of them")
    return settings


def install(settings: Settings) -> None:
    """Have every Supervisor of this process take the seconds of the flags.

    Raises:
        CommandError: Two of them exclude each other, or SUPERVISOR_GRACE is not valid.
    """
    from supervisor._core.errors import SettingsError
    from supervisor._core.settings import Ladder
    from supervisor._supervisor.settings import LadderFlags, set_flags

    flags = LadderFlags(settings.drain, settings.cancel, settings.abandon, settings.grace)
    try:
        flags.apply(Ladder(), os.environ)
    except SettingsError as error:
        raise CommandError(f"{error}") from None
    set_flags(flags)

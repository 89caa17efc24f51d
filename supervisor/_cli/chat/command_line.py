"""The command line of `chat`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from supervisor._cli.options import (
    Parser,
    Settings,
    add_flags,
    add_store_flag,
    add_team_file_flags,
    settings_of,
)
from supervisor._cli.targets import Target, parse

_USAGE: Final = "autogen-supervisor chat [OPTION ...] TARGET"
_ABOUT: Final = """\
Converse with a team or an agent in a terminal.

TARGET is module:attr or file.py:attr (a team, an agent, or a function that makes one), or a team
file (.json, .yaml).

Ctrl-C or Esc stops the answer, and the conversation goes on. What you type while it answers is
queued; Enter on an empty line lets the turn in progress finish, and then it goes in. Ctrl-D leaves.
/help shows the commands."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """What the words behind `chat` say.

    Args:
        target: With whom to converse.
        settings: The settings of a stop.
        goes_on: Whether to go on with the last session of this target.
        session: The name of the session to go on with.
        run_id: The same, or the name of a session to begin.
        checkpoints: The URL of the store in which the session is kept, as it was given.
        trust: Whether a team file may start programs and run code.
        allow: The namespaces from which a team file may load classes.
        select: The name of the team in a gallery.
    """

    target: Target
    settings: Settings
    goes_on: bool
    session: str | None
    run_id: str | None
    checkpoints: str | None
    trust: bool
    allow: tuple[str, ...]
    select: str | None


def read(arguments: Sequence[str]) -> Command:
    """Return what these words say.

    Raises:
        CommandError: They are no command line of `chat`.
        SystemExit: They ask for help.
    """
    parsed = _parser().parse_args(list(arguments))
    return Command(
        target=parse(parsed.target),
        settings=settings_of(parsed),
        goes_on=parsed.goes_on,
        session=parsed.session,
        run_id=parsed.run_id,
        checkpoints=parsed.checkpoints,
        trust=parsed.trust,
        allow=tuple(parsed.allow),
        select=parsed.select,
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser("chat", _USAGE, _ABOUT)
    parser.add_argument("target", metavar="TARGET", help="a team or an agent")
    sessions = parser.add_argument_group("sessions").add_mutually_exclusive_group()
    sessions.add_argument(
        "-c", "--continue", dest="goes_on", action="store_true", help="go on with the last session"
    )
    sessions.add_argument(
        "-r", "--resume", dest="session", metavar="NAME", help="go on with this session"
    )
    what = "go on with this session, or begin it"
    sessions.add_argument("--id", dest="run_id", metavar="NAME", help=what)
    add_store_flag(parser)
    add_team_file_flags(parser)
    add_flags(parser, ends=False)
    return parser

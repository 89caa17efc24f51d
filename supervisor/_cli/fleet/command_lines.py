"""The command lines of `work`, `submit` and `retry`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from supervisor._cli.errors import CommandError
from supervisor._cli.options import (
    STORE_VARIABLE,
    Parser,
    Settings,
    add_flags,
    add_team_file_flags,
    seconds,
    settings_of,
)
from supervisor._cli.targets import Target, parse

_STORE: Final = (
    f"the store: postgresql://... or sqlite:///FILE ({STORE_VARIABLE}; else the user's own)"
)

_DAY: Final = 86_400.0  # in seconds

_WORK_USAGE: Final = "autogen-supervisor work [OPTION ...] TARGET --store URL"
_WORK: Final = """\
Carry kept runs on: those that are queued, and those whose owner has died.

TARGET is module:attr or file.py:attr (a function that makes a team or an agent), or a team file.
With PostgreSQL the worker waits for runs until it is stopped (extra: fleet). With SQLite it carries
on what is there, and ends."""

_SUBMIT_USAGE: Final = "autogen-supervisor submit [OPTION ...] TARGET TASK --store URL"
_SUBMIT: Final = """\
Put a run into the queue of a store, and print its id; a worker takes it up.

TARGET is what the workers are given: the run is kept as one of that team. TASK is its task."""

_RETRY_USAGE: Final = "autogen-supervisor retry [OPTION ...] ID [ID ...] --store URL"
_RETRY: Final = """\
Put runs that are at rest (stopped, failed or cancelled) into the queue again.

Their failures are forgotten; they go on from their last finished turns."""


@dataclass(frozen=True, kw_only=True)
class TeamWords:
    """What words say of a team.

    Args:
        target: What makes it.
        trust: Whether a team file may start programs and run code.
        allow: The namespaces from which a team file may load classes.
        select: The name of the team in a gallery.
    """

    target: Target
    trust: bool
    allow: tuple[str, ...]
    select: str | None


@dataclass(frozen=True, kw_only=True)
class WorkCommand:
    """What the words behind `work` say.

    Args:
        team: The team.
        store: The URL of the store.
        concurrency: How many runs at once.
        attempts: How many errors a run may meet until it comes to rest.
        backoff: Seconds from the first error to the next try, and the most that they become.
        lease: The seconds after which a silent worker counts as dead.
        settings: The settings of a stop.
    """

    team: TeamWords
    store: str
    concurrency: int
    attempts: int
    backoff: tuple[float, float]
    lease: float
    settings: Settings


@dataclass(frozen=True, kw_only=True)
class SubmitCommand:
    """What the words behind `submit` say.

    Args:
        team: The team.
        task: The task.
        store: The URL of the store.
        run_id: The id of the run; None: one is made up.
    """

    team: TeamWords
    task: str
    store: str
    run_id: str | None


@dataclass(frozen=True, kw_only=True)
class RetryCommand:
    """What the words behind `retry` say.

    Args:
        run_ids: The ids of the runs.
        store: The URL of the store.
    """

    run_ids: tuple[str, ...]
    store: str


def read_work(arguments: Sequence[str]) -> WorkCommand:
    """Return what the words behind `work` say.

    Raises:
        CommandError: They are no command line of it.
        SystemExit: They ask for help.
    """
    parser = Parser("work", _WORK_USAGE, _WORK)
    parser.add_argument("target", metavar="TARGET", help=argparse.SUPPRESS)
    _add_store(parser)
    what = "how many runs at once (1)"
    parser.add_argument("--concurrency", type=count, default=1, metavar="N", help=what)
    what = "after how many errors a run comes to rest (5)"
    parser.add_argument("--attempts", type=count, default=5, metavar="N", help=what)
    what = "seconds from the first error to the next try, doubled up to the second number (1:300)"
    parser.add_argument(
        "--backoff", type=backoff, default=(1.0, 300.0), metavar="FIRST:LONGEST", help=what
    )
    what = "seconds after which a worker that is silent counts as dead (15)"
    parser.add_argument("--lease", type=lease, default=15.0, metavar="SECONDS", help=what)
    add_team_file_flags(parser)
    add_flags(parser, ends=False)
    parsed = parser.parse_args(arguments)
    return WorkCommand(
        team=_team_words(parsed),
        store=_store_of(parsed),
        concurrency=parsed.concurrency,
        attempts=parsed.attempts,
        backoff=parsed.backoff,
        lease=parsed.lease,
        settings=settings_of(parsed),
    )


def read_submit(arguments: Sequence[str]) -> SubmitCommand:
    """Return what the words behind `submit` say.

    Raises:
        CommandError: They are no command line of it.
        SystemExit: They ask for help.
    """
    parser = Parser("submit", _SUBMIT_USAGE, _SUBMIT)
    parser.add_argument("target", metavar="TARGET", help=argparse.SUPPRESS)
    parser.add_argument("task", metavar="TASK", help=argparse.SUPPRESS)
    _add_store(parser)
    parser.add_argument("--id", metavar="ID", help="the run's id (one is made up)")
    add_team_file_flags(parser)
    parsed = parser.parse_args(arguments)
    if not parsed.task.strip():
        raise CommandError("the task is empty; give one")
    return SubmitCommand(
        team=_team_words(parsed), task=parsed.task, store=_store_of(parsed), run_id=parsed.id
    )


def read_retry(arguments: Sequence[str]) -> RetryCommand:
    """Return what the words behind `retry` say.

    Raises:
        CommandError: They are no command line of it.
        SystemExit: They ask for help.
    """
    parser = Parser("retry", _RETRY_USAGE, _RETRY)
    parser.add_argument("ids", nargs="+", metavar="ID", help=argparse.SUPPRESS)
    _add_store(parser)
    parsed = parser.parse_args(arguments)
    return RetryCommand(run_ids=tuple(parsed.ids), store=_store_of(parsed))


def count(value: str) -> int:
    """Return a number, 1 or more.

    Raises:
        ArgumentTypeError: It is none.
    """
    if not (value.isascii() and value.isdecimal() and int(value) > 0):
        raise argparse.ArgumentTypeError(f"{value!r} is not valid; give a number, 1 or more")
    return int(value)


def lease(value: str) -> float:
    """Return a number of seconds, more than 0 and no more than a day.

    Raises:
        ArgumentTypeError: It is none.
    """
    number = seconds(value)
    if not 0 < number <= _DAY:
        what = "give a number of seconds, more than 0 and no more than a day"
        raise argparse.ArgumentTypeError(f"{value!r} is not valid; {what}")
    return number


def backoff(value: str) -> tuple[float, float]:
    """Return two numbers of seconds, as of "1:300".

    Raises:
        ArgumentTypeError: It is nothing like that.
    """
    first, colon, longest = value.partition(":")
    pauses = seconds(first), seconds(longest) if colon else seconds(first)
    if pauses[0] > pauses[1]:
        what = "give the seconds after the first error, and then the most, as 1:300"
        raise argparse.ArgumentTypeError(f"{value!r} is not valid; {what}")
    return pauses


def _add_store(parser: argparse.ArgumentParser) -> None:
    flags = ("--store", "--checkpoints")  # the latter as the other commands have it
    parser.add_argument(*flags, dest="store", metavar="URL", help=_STORE)


def _store_of(parsed: argparse.Namespace) -> str:
    from supervisor._cli.stored_runs.store import url_of

    return url_of(parsed.store)


def _team_words(parsed: argparse.Namespace) -> TeamWords:
    return TeamWords(
        target=parse(parsed.target),
        trust=parsed.trust,
        allow=tuple(parsed.allow),
        select=parsed.select,
    )

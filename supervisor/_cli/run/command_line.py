"""The command line of `run`.

For a team or a team file our options may stand anywhere. For a program they stand before it: all
that stands behind it is the program's. So the words are told apart first, and argparse reads only
those that are ours.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from supervisor._cli import paths
from supervisor._cli.errors import CommandError
from supervisor._cli.options import (
    FLAGS_WITH_VALUE,
    Parser,
    Settings,
    add_flags,
    add_store_flag,
    add_team_file_flags,
    run_name,
    settings_of,
)
from supervisor._cli.targets import Target, parse

Format: TypeAlias = Literal["text", "json", "stream-json"]

_USAGE: Final = """autogen-supervisor run [OPTION ...] TARGET [TASK]
       autogen-supervisor run [OPTION ...] PROGRAM.py [ARGUMENT ...]
       autogen-supervisor run [OPTION ...] -m PACKAGE [ARGUMENT ...]"""
_ABOUT: Final = """\
Run a team, an agent, a team file, or an AutoGen program, so that it can be stopped.

TARGET is module:attr or file.py:attr (a team, an agent, or a function that makes one), or a team
file (.json, .yaml). TASK is its task; - reads it from stdin. What stands behind a program or a
package is passed on to it."""
_STDIN: Final = "-"
_TAKING: Final = {
    *("-m", "--task-file", "--output-format", "--allow", "--select", "--checkpoints", "--id"),
    *FLAGS_WITH_VALUE,
}
"""The options behind which a value stands."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """What the words behind `run` say.

    Args:
        target: What to run.
        words: What stands behind a program.
        task: The task of a team; "-" for stdin.
        task_file: The file that has the task.
        settings: The settings.
        output_format: How to show the run.
        trust: Whether a team file may start programs and run code.
        allow: The namespaces from which a team file may load classes.
        select: The name of the team in a gallery.
        verbose: Whether to show what tools return.
        checkpoints: The URL of the store in which the run is kept, as it was given.
        run_id: The run's id there; None where it is not kept, or has no id yet.
        allow_changed: Whether to go on with the run by another team, or with another task.
    """

    target: Target
    words: tuple[str, ...]
    task: str | None
    task_file: Path | None
    settings: Settings
    output_format: Format
    trust: bool
    allow: tuple[str, ...]
    select: str | None
    verbose: bool
    checkpoints: str | None = None
    run_id: str | None = None
    allow_changed: bool = False

    @property
    def is_kept(self) -> bool:
        """Whether the run is kept in a store."""
        return self.run_id is not None or self.checkpoints is not None


def read(arguments: Sequence[str]) -> Command:
    """Return what these words say.

    Raises:
        CommandError: They are no command line of `run`.
        SystemExit: They ask for help.
    """
    parser = _parser()
    ours, words = _split(arguments)
    parsed = parser.parse_args(ours)  # before the target: of an unknown option we saw the value
    if parsed.module is not None:
        target = Target("program", "-m", parsed.module)
    elif words:
        target = parse(words.pop(0))
    else:
        raise CommandError(f"no target was given; see `{parser.prog} --help`")
    is_program = target.kind == "program"
    if is_program:
        _refuse_for_program(parsed)
    elif parsed.task_file is None and len(words) != 1 and (words or parsed.run_id is None):
        raise CommandError(_task_error(target, words))
    elif parsed.task_file is not None and words:
        raise CommandError("a task and --task-file were given; give one of them")
    if parsed.quiet and parsed.output_format not in (None, "text"):
        raise CommandError(f"--quiet is for text; with {parsed.output_format} leave it out")
    return Command(
        target=target,
        words=tuple(words),
        task=words[0] if words and not is_program else None,
        task_file=parsed.task_file,
        settings=settings_of(parsed),
        output_format=parsed.output_format or "text",
        trust=parsed.trust,
        allow=tuple(parsed.allow),
        select=parsed.select,
        verbose=parsed.verbose,
        checkpoints=parsed.checkpoints,
        run_id=parsed.run_id,
        allow_changed=parsed.allow_changed,
    )


def task_of(command: Command) -> str | None:
    """Return the task that a command names; None where a run is continued.

    Raises:
        CommandError: It cannot be read, or is empty.
    """
    import sys

    if command.task is None and command.task_file is None:
        return None
    where = None if command.task_file is None else str(command.task_file)
    task = command.task or ""
    try:
        if command.task_file is not None:
            task = command.task_file.read_text(encoding="utf-8")
        elif command.task == _STDIN:
            where, task = "stdin", sys.stdin.read() if sys.stdin is not None else ""
        task.encode()  # some bytes that are no UTF-8 were read as lone surrogates
    except UnicodeError as error:
        raise CommandError(f"the task cannot be read: {error}; give text in UTF-8") from None
    except OSError as error:
        what = f"the task cannot be read from {where or 'stdin'!r}: {error.strerror or error}"
        raise CommandError(f"{what}; give a file that can be read") from None
    if where is None:
        return task
    if not task.strip():
        raise CommandError(f"{where} has no task; write one there")
    return task.removesuffix("\n")


def _parser() -> argparse.ArgumentParser:
    parser = Parser("run", _USAGE, _ABOUT)
    parser.add_argument("-m", dest="module", metavar="PACKAGE", help="run a package as a program")
    parser.add_argument("--task-file", type=Path, metavar="FILE", help="read the task from FILE")
    parser.add_argument(
        "--output-format",
        choices=get_args(Format),
        help="text (for a person), json (the result), stream-json (one event a line)",
    )
    what = "show what tools return, and all that code has printed"
    parser.add_argument("--verbose", action="store_true", help=what)
    what = "keep the run: begin it, go on with it (TASK may be left out), or show what it came to"
    parser.add_argument("--id", dest="run_id", type=run_name, metavar="NAME", help=what)
    what = "go on with it though its team has another shape now, or TASK is another"
    parser.add_argument("--allow-changed", action="store_true", help=what)
    add_store_flag(parser)
    add_team_file_flags(parser)
    add_flags(parser)
    return parser


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words that are ours, and the target with what belongs to it."""
    ours: list[str] = []
    words: list[str] = []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            return ours, words + waiting
        if not word.startswith("-") or word == _STDIN:
            words.append(word)
            if len(words) == 1 and _is_program(word):
                return ours, words + waiting
            continue
        ours.append(word)
        if word in _TAKING and waiting:
            ours.append(waiting.pop(0))
        if word.startswith("-m"):  # also with its package in the same word
            if words:
                raise CommandError(f"{words[0]!r} and -m were given; give one target")
            return ours, waiting
    return ours, words


def _is_program(word: str) -> bool:
    try:
        return parse(word).kind == "program"
    except CommandError:  # raised once our options were looked at
        return False


def _refuse_for_program(parsed: argparse.Namespace) -> None:
    given = {
        "--output-format": parsed.output_format,
        "--task-file": parsed.task_file,
        "--select": parsed.select,
        "--verbose": parsed.verbose,
        "--allow": parsed.allow,
        "--trust": parsed.trust,
        "--checkpoints": parsed.checkpoints,
        "--id": parsed.run_id,
        "--allow-changed": parsed.allow_changed,
    }
    for option, value in given.items():
        if value:
            what = "is for teams and team files, and this is a program"
            raise CommandError(f"{option} {what}; put the program's own options behind it")


def _task_error(target: Target, words: list[str]) -> str:
    if target.is_path and not paths.exists(target.place):
        return f"there is no file {target.place!r}"
    if not words:
        return "no task was given; put it behind the target, or give --task-file FILE or -"
    return f"{words[1]!r} stands behind the task; put a task of several words in quotes"

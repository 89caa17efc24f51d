"""The command line of `check`, and what it leads to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor._cli import paths
from supervisor._cli.errors import CommandError
from supervisor._cli.options import Parser, add_team_file_flags

if TYPE_CHECKING:
    from supervisor._cli.check.finding import Finding
    from supervisor._cli.targets import Target

_USAGE = "autogen-supervisor check [--json] [TARGET] [FILE ...] [-- COMMAND ...]"
_ABOUT = """\
Say what would keep a program from stopping in order: where it runs, and with which time limits.

TARGET is a team or an agent, as for `run`. FILE is a compose file, a Kubernetes manifest, a
systemd unit or a Dockerfile. COMMAND is a command line, such as that of uvicorn or gunicorn."""
_GIVE = "give a target, a compose file, a Kubernetes manifest, a systemd unit or a Dockerfile"
_STATUSES = "The status is 0 if all is right, 1 if there is a problem, 2 for a wrong command line."


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the words behind `check` say.

    Args:
        json: Whether to print JSON.
        targets: What is loaded.
        files: What is read.
        words: A command.
        trust: Whether a team file may start programs and run code.
        allow: Namespaces from which a team file may load classes, besides AutoGen's own.
        select: The name of the team or agent to take out of a gallery.
    """

    json: bool
    targets: tuple[Target, ...]
    files: tuple[str, ...]
    words: tuple[str, ...]
    trust: bool = False
    allow: tuple[str, ...] = ()
    select: str | None = None


def read(arguments: Sequence[str]) -> Given:
    """Return what these words say.

    Raises:
        CommandError: They are no command line of `check`.
        SystemExit: They ask for help.
    """
    ours, words = _split(arguments)
    parser = Parser("check", _USAGE, _ABOUT, _STATUSES)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument("given", nargs="*", metavar="TARGET | FILE", help="what to look at")
    add_team_file_flags(parser)
    parsed = parser.parse_args(ours)
    files, targets = _told_apart(parsed.given)
    return Given(
        json=parsed.json,
        targets=targets,
        files=files,
        words=words,
        trust=parsed.trust,
        allow=tuple(parsed.allow),
        select=parsed.select,
    )


def findings(given: Given) -> list[Finding]:
    """Look at everything that was given.

    Raises:
        CommandError: A file cannot be read.
    """
    from supervisor._cli.check import environment, files, rules, target
    from supervisor._cli.check.deployment import Deployment

    found = list(environment.look(environment.facts()))
    for each in given.targets:
        found += target.look(each, trust=given.trust, allow=given.allow, select=given.select)
    for word in given.files:
        found += files.look(word)
    if given.words:
        found += rules.look(Deployment(where="command", words=given.words, environ=os.environ))
    return found


def _split(arguments: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return the words that are ours, and those of a command."""
    words = list(arguments)
    if "--" not in words:
        return words, ()
    place = words.index("--")
    if place + 1 == len(words):
        raise CommandError("no command stands behind --; give one, or leave -- out")
    return words[:place], tuple(words[place + 1 :])


def _told_apart(given: Sequence[str]) -> tuple[tuple[str, ...], tuple[Target, ...]]:
    """Return the files to read, and the targets.

    Raises:
        CommandError: A word is neither, names no file, or is a second target.
    """
    if not given:
        return (), ()
    from supervisor._cli.check.files import is_deployment
    from supervisor._cli.targets import parse

    files = tuple(word for word in given if is_deployment(word))
    targets = tuple(parse(word) for word in given if word not in files)
    for target in targets:
        if target.kind != "object" and not paths.exists(target.place):
            raise CommandError(f"there is no file {target.place!r}; give one that is there")
        if target.kind == "program" and Path(target.place).suffix != ".py":
            what = "a folder" if paths.is_dir(target.place) else "no file that can be checked"
            raise CommandError(f"{target.place!r} is {what}; {_GIVE}")
    if len(targets) > 1:
        raise CommandError(f"{targets[1].word!r} is a second target; check one at a time")
    return files, targets

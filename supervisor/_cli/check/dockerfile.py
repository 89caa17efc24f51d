"""Dockerfiles: `CMD` and `ENTRYPOINT`, `ENV`, and `STOPSIGNAL`, as the last stage has them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final

from supervisor._cli.check import rules
from supervisor._cli.check.deployment import Deployment
from supervisor._cli.check.finding import Finding, note
from supervisor._cli.check.program_words import split

_CONTINUED: Final = re.compile(r"\\[ \t]*\n(?:[ \t]*#.*\n)*")
_FROM: Final = re.compile(r"(?im)^\s*FROM\s+\S+")
_SHELL: Final = ("/bin/sh", "-c")


def is_dockerfile(name: str, text: str) -> bool:
    """Return whether a file is one, by its name and its first instruction.

    Args:
        name: The file's name, without its folder.
        text: What it says.
    """
    named = name.lower()
    is_named = "dockerfile" in named or "containerfile" in named
    return is_named and _FROM.search(text) is not None


def look(name: str, text: str) -> Iterator[Finding]:
    """Yield what there is to say of it."""
    stage = _last_stage(text)
    words = (*_command(stage, "ENTRYPOINT"), *_command(stage, "CMD"))
    if not words:
        yield note(name, "it names no command; that of its base image is not known")
        return
    yield from rules.look(
        Deployment(
            where=name,
            words=words,
            environ=_environ(stage),
            stop_signal=_last(stage, "STOPSIGNAL") or "SIGTERM",
            has_init=False,
        )
    )


def _last_stage(text: str) -> Sequence[tuple[str, str]]:
    """Return the instructions of the last stage, each with what follows it."""
    stage: list[tuple[str, str]] = []
    for line in _CONTINUED.sub(" ", text).splitlines():
        instruction, _, rest = line.strip().partition(" ")
        if not instruction or instruction.startswith("#"):
            continue
        if instruction.upper() == "FROM":
            stage = []
        stage.append((instruction.upper(), rest.strip()))
    return stage


def _last(stage: Sequence[tuple[str, str]], instruction: str) -> str:
    return next((rest for name, rest in reversed(stage) if name == instruction), "")


def _command(stage: Sequence[tuple[str, str]], instruction: str) -> tuple[str, ...]:
    """Return a command's words: a list as it stands, a line as the shell gets it."""
    given = _last(stage, instruction)
    if given.startswith("["):
        try:
            return tuple(str(word) for word in json.loads(given))
        except ValueError:  # then the engine takes it for a line, too
            pass
    return (*_SHELL, given) if given else ()


def _environ(stage: Sequence[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, rest in stage:
        if name == "ENV":
            first, _, value = rest.partition(" ")
            if "=" not in first:  # the old form: one name, and the rest of the line
                found[first] = value.strip()
                continue
            found.update((key, it) for key, _, it in (w.partition("=") for w in split(rest)))
    return found

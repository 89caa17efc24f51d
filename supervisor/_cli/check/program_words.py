"""A program's command: what starts what, and the options that have a part in a stop."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from supervisor._cli.check.durations import seconds
from supervisor._cli.check.environment import SHELLS

_INITS: Final = ("tini", "dumb-init", "docker-init", "catatonit")
_ASSIGNMENT: Final = re.compile(r"\w+=")
_EXECS: Final = re.compile(r"(^|[;&|]\s*)exec\s")

_NAME_AFTER_M: Final = 2
_SERVERS: Final[dict[str, tuple[str, float | None]]] = {
    "granian": ("--workers-kill-timeout", None),
    "gunicorn": ("--graceful-timeout", 30.0),
    "hypercorn": ("--graceful-timeout", 3.0),
    "uvicorn": ("--timeout-graceful-shutdown", None),
}
# Each one's option for the seconds that open requests get, and its default; None for no limit.


@dataclass(frozen=True, kw_only=True)
class Server:
    """A web server in a command.

    Args:
        name: Its name.
        option: The option for the seconds that requests get to end.
        seconds: These seconds; None where there is no limit, or none that can be read.
    """

    name: str
    option: str
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a command starts.

    Args:
        words: The program, without what stands before it.
        has_init: Whether an init stands before it.
        exec_grace: The seconds of `supervisor exec --grace`; None where it is not given.
        has_exec: Whether `supervisor exec` stands before it.
        shell: The shell that does not replace itself by the program; "" where none does.
    """

    words: tuple[str, ...]
    has_init: bool = False
    has_exec: bool = False
    exec_grace: float | None = None
    shell: str = ""


def split(text: str) -> tuple[str, ...]:
    """Return the words of a command line; a quote that is left open is a character."""
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return tuple(text.split())


def program(words: Sequence[str]) -> Program:
    """Return what a command starts: behind inits, `env`, shells and `supervisor exec`."""
    rest = list(words)
    has_init = has_exec = False
    exec_grace: float | None = None
    shell = ""
    while rest:
        name = PurePosixPath(rest[0]).name
        if _ASSIGNMENT.match(rest[0]) or name in ("env", "exec", "nohup"):
            rest = rest[1:]
        elif name in _INITS:
            has_init, rest = True, _behind_options(rest[1:])
        elif name in SHELLS and "-c" in rest[1:-1]:
            script = rest[rest.index("-c") + 1]
            shell = shell or ("" if _EXECS.search(script) else name)
            rest = list(split(_last_command(script)))
        elif (inner := _behind_exec(rest)) is not None:
            has_exec = True
            exec_grace, rest = inner
        else:
            break
    return Program(
        words=tuple(rest),
        has_init=has_init,
        has_exec=has_exec,
        exec_grace=exec_grace,
        shell=shell,
    )


def server(words: Sequence[str]) -> Server | None:
    """Return the web server that a program is; None for another program."""
    names = [PurePosixPath(word).name for word in words[:3]]
    name = names[2] if names[1:2] == ["-m"] and len(names) > _NAME_AFTER_M else "".join(names[:1])
    if name not in _SERVERS:
        return None
    option, default = _SERVERS[name]
    given = _option(words, option)
    return Server(name=name, option=option, seconds=default if given is None else seconds(given))


def _option(words: Sequence[str], option: str) -> str | None:
    """Return the value of an option; the last one counts."""
    found: str | None = None
    for place, word in enumerate(words):
        if word == option and place + 1 < len(words):
            found = words[place + 1]
        elif word.startswith(f"{option}="):
            found = word.partition("=")[2]
    return found


def _last_command(script: str) -> str:
    return re.split(r"&&|\|\||[;\n]", script)[-1].strip()


def _behind_options(words: Sequence[str]) -> list[str]:
    """Return what stands behind the options of an init, which have no values of their own words."""
    place = next((n for n, word in enumerate(words) if not word.startswith("-")), len(words))
    return list(words[place:])


def _behind_exec(words: Sequence[str]) -> tuple[float | None, list[str]] | None:
    """Return the grace and the command of `supervisor exec`; None for another program."""
    name = PurePosixPath(words[0]).name
    if name == "autogen-supervisor" and list(words[1:2]) == ["exec"]:
        rest = list(words[2:])
    elif name.startswith("python") and list(words[1:4]) == ["-m", "supervisor", "exec"]:
        rest = list(words[4:])
    else:
        return None
    grace: float | None = None
    while rest and rest[0].startswith("-"):
        option, is_joined, value = rest.pop(0).partition("=")
        if option == "--":
            break
        if option == "--grace":
            value = value if is_joined or not rest else rest.pop(0)
            grace = float("inf") if value.lower() == "off" else seconds(value)
    return grace, rest

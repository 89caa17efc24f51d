"""Where it runs: what this process has got from whoever has started it."""

from __future__ import annotations

import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from supervisor._cli.check.finding import Finding, note, ok, problem
from supervisor._core.autogen_versions import AUTOGEN, SUPPORTED, is_supported
from supervisor._core.errors import SettingsError
from supervisor._core.events import Rung
from supervisor._core.settings import GRACE_VARIABLE, Ladder
from supervisor._signals.masks import blocked

SHELLS: Final = ("sh", "bash", "dash", "ash", "zsh", "ksh", "busybox")
_INITS: Final = ("tini", "docker-init", "dumb-init", "catatonit", "s6-svscan", "systemd", "init")
_EXTRA: Final = ("rich", "prompt_toolkit", "yaml")


class Facts:
    """What a check of the environment looks at.

    Args:
        environ: The environment variables.
        pid: The process's.
        parent: Its parent's pid.
        first: The name of PID 1; "" where it cannot be known.
        handler: Returns a signal's handler.
        blocked: The signals that are blocked.
        has_terminal: Whether stdin is a terminal.
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str],
        pid: int,
        parent: int,
        first: str,
        handler: Callable[[int], object] = signal.getsignal,
        blocked: frozenset[int] = frozenset(),
        has_terminal: bool = False,
    ) -> None:
        self.environ = environ
        self.pid = pid
        self.parent = parent
        self.first = first
        self.handler = handler
        self.blocked = blocked
        self.has_terminal = has_terminal


def facts() -> Facts:
    """Return the facts of this process."""
    try:
        first = Path("/proc/1/comm").read_text(encoding="utf-8").strip()
    except OSError:
        first = ""
    return Facts(
        environ=os.environ,
        pid=os.getpid(),
        parent=os.getppid(),
        first=first,
        blocked=blocked({signal.SIGTERM, signal.SIGINT}),
        has_terminal=sys.stdin is not None and sys.stdin.isatty(),
    )


def look(found: Facts) -> Iterator[Finding]:
    """Yield what there is to say of these facts."""
    yield _autogen()
    yield from _extra()
    yield _grace(found)
    yield _init(found)
    yield from _signals(found)
    if found.has_terminal:
        yield note("terminal", "stdin is a terminal, so SIGHUP (a closed window) stops a run too")


def _autogen() -> Finding:
    try:
        installed = version(AUTOGEN)
    except PackageNotFoundError:
        return problem("AutoGen", f"{AUTOGEN} is not installed", f"pip install {AUTOGEN}")
    if not is_supported(installed):
        what = f"{AUTOGEN} {installed} is installed, and this version works with {SUPPORTED} only"
        return problem("AutoGen", what, f"pip install '{AUTOGEN}{SUPPORTED}'")
    return ok("AutoGen", f"{AUTOGEN} {installed}")


def _extra() -> Iterator[Finding]:
    missing = [name for name in _EXTRA if find_spec(name) is None]
    if missing:
        what = f"{', '.join(missing)} cannot be imported: no chat, no colours or no YAML"
        yield note("extra [cli]", what, "pip install 'autogen-supervisor[cli]'")


def _grace(found: Facts) -> Finding:
    where = f"environment: {GRACE_VARIABLE}"
    try:
        ladder = Ladder().from_environment(found.environ)
    except SettingsError as error:
        return problem(where, str(error), "a program with a Supervisor ends at its start with this")
    seconds = ladder.budget(Rung.DRAIN)
    if not found.environ.get(GRACE_VARIABLE, "").strip():
        return note(
            where, f"not set: a stop takes {seconds:g} s at most, unless the code says else"
        )
    if seconds == math.inf:
        return note(where, "off: a stop has no deadline, and what refuses to end is left")
    return ok(where, f"a stop by SIGTERM takes {seconds:g} s at most")


def _init(found: Facts) -> Finding:
    where = "PID 1"
    if found.pid == 1:
        what = "it is this process: run() splits in two here, and a plain block reaps no orphan"
        return note(where, what, "put `python -m supervisor exec --` in front of other programs")
    if found.first in SHELLS and found.parent == 1:
        what = f"it is a shell ({found.first}) that has started this: it passes no SIGTERM on"
        return problem(where, what, "start the program itself (the exec form), or by `exec ...`")
    if found.first in _INITS:
        return ok(where, f"it is an init ({found.first})")
    return note(where, f"it is {found.first or 'not known'}")


def _signals(found: Facts) -> Iterator[Finding]:
    for number in (signal.SIGTERM, signal.SIGINT):
        name = signal.Signals(number).name
        if found.handler(number) is signal.SIG_IGN:
            what = f"{name} was ignored when this process started, and a Supervisor leaves it so"
            advice = "a shell's `trap '' ...`, or `&` in a script, ignores it: start it otherwise"
            tell = problem if number == signal.SIGTERM else note
            yield tell("signals", what, advice)
        elif number in found.blocked:
            what = f"{name} is blocked: run() unblocks it, and a plain block never hears it"
            yield problem("signals", what, "have the launcher unblock it, or use run()")
        else:
            yield ok("signals", f"{name} is heard")

"""Scenarios in a process of their own, which has loaded what they need and forks their children.

A scenario is a function of a module: its arguments and its result are JSON. It runs without the
threads of pytest, so that it may fork; a child does one thing, and never returns.

One that needs AutoGen runs in a child of the warm server, which has loaded it once for all tests.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tests.process.harness import Server

_ROOT = Path(__file__).parents[2]


def run_scenario(
    scenario: Callable[..., Any],
    *,
    seconds: float = 60,
    within: Sequence[str] = (),
    **arguments: Any,
) -> Any:
    """Run a scenario in a new process, and return its result.

    Args:
        scenario: A function of a module.
        seconds: For how long it may run.
        within: A command that is to start the process.
        arguments: Its arguments.
    """
    module = scenario.__module__
    with subprocess.Popen(
        [*within, sys.executable, "-m", __name__, module, scenario.__name__, json.dumps(arguments)],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as program:
        try:
            out, errors = program.communicate(timeout=seconds)
        except BaseException:
            os.killpg(program.pid, signal.SIGKILL)
            raise
    assert program.returncode == 0, f"{scenario.__name__} failed:\n{out}{errors}"
    return json.loads(out.splitlines()[-1])


def run_warm_scenario(
    server: Server, scenario: Callable[..., Any], *, seconds: float = 60, **arguments: Any
) -> Any:
    """Run a scenario in a child of the warm server, and return its result.

    Args:
        server: The warm server.
        scenario: A function of a module.
        seconds: For how long it may run.
        arguments: Its arguments.
    """
    words = [scenario.__module__, scenario.__name__, json.dumps(arguments)]
    with (
        tempfile.TemporaryFile() as out,
        server.start("module", stdout=out.fileno(), name=__name__, words=words) as program,
    ):
        if not program.has_ended(seconds):
            os.killpg(program.pid, signal.SIGKILL)  # its children too
        assert program.wait() == 0, f"{scenario.__name__} failed: {program.story()}"
        out.seek(0)
        return json.loads(out.read().splitlines()[-1])


def fork(work: Callable[[], object]) -> int:
    """Do some work in a child, which ends with 0, or with 1 where it raises; return its pid."""
    child = os.fork()
    if child == 0:
        _work_and_exit(work)
    _children.add(child)
    return child


def _work_and_exit(work: Callable[[], object]) -> NoReturn:
    try:
        work()
    except BaseException:  # noqa: BLE001 - shown, and told by the status
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def wait(child: int) -> int:
    """Wait for the end of a child; return its exit status, a signal's as a negative number."""
    _, status = os.waitpid(child, 0)
    _children.discard(child)
    return os.waitstatus_to_exitcode(status)


def kill(child: int) -> None:
    """Kill a child, and wait for its end."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    wait(child)


_children = set[int]()


class Pipe:
    """Lines that children say to their parent."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self._rest = b""

    def say(self, line: object) -> None:
        """Say a line at once; of several children as well."""
        os.write(self._write, f"{line}\n".encode())

    def lines(self) -> Iterator[str]:
        """Return the lines, as they come, until no child has the pipe open any more."""
        self.close_write()
        while (lines := self._lines()) is not None:
            yield from lines
        os.close(self._read)

    def lines_for(self, seconds: float) -> list[str]:
        """Return the lines that come now, or none after so many seconds; more may be forked."""
        if not select.select([self._read], [], [], seconds)[0]:
            return []
        return self._lines() or []

    def _lines(self) -> list[str] | None:
        data = os.read(self._read, 65536)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [line.decode() for line in lines] if data else None

    def close_write(self) -> None:
        """Leave it to the children to write."""
        if self._write >= 0:
            os.close(self._write)
            self._write = -1


def _main(module: str, name: str, arguments: str) -> None:
    scenario = getattr(importlib.import_module(module), name)
    gc.collect()
    gc.freeze()  # no child looks at what was imported
    try:
        result = scenario(**json.loads(arguments))
    finally:
        for child in list(_children):
            kill(child)
    print(json.dumps(result))


if __name__ == "__main__":
    # As the module that scenarios import: its children are noted there.
    importlib.import_module("tests.checkpoints.preloaded")._main(*sys.argv[1:])

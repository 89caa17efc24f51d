"""Programs that write machine output, and what stands in it at the end."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

from tests.process.guarded import no_guard_is_left

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0

REFUSALS: Final = """
import ctypes, time
def refuse():
    while True:
        try:
            while True: time.sleep(0.01)
        except BaseException: pass
def hold():
    c, lock = ctypes.PyDLL(None), ctypes.create_string_buffer(128)
    c.pthread_mutex_lock(lock)
    c.pthread_mutex_lock(lock)
"""
"""Two ways not to end, as a part of a program: to refuse, and to hold the GIL in C code."""

PREAMBLE = (
    REFUSALS
    + """
import asyncio, json, os, signal, sys
from supervisor import Ladder, Supervisor, run
from supervisor._process import last_line
LADDER = Ladder(drain=0.1, cancel=0.1, abandon=0.1)
count = 0
def result(status):
    facts = {"type": "result", "status": status, "count": count, "seconds": last_line.SECONDS}
    return json.dumps(facts).encode()
def writer(**more):
    out = os.dup(1)
    os.dup2(2, 1)
    made = last_line.LineWriter(
        out, forced=lambda: result("forced"), killed=lambda: result("killed"), **more
    )
    os.close(out)
    return made
def event(it):
    global count
    count += 1
    it.put(b'{"type": "event"}\\n')
    it.update()
def die(): os.kill(os.getpid(), signal.SIGKILL)
def stop(): os.kill(os.getpid(), signal.SIGTERM)
def tell(text): os.write(2, f"<{text}>\\n".encode())
"""
)

Fact = dict[str, Any]


def command(script: str) -> list[str]:
    """Return the command line of a program."""
    return [sys.executable, "-P", "-c", PREAMBLE + textwrap.dedent(script)]


@contextlib.contextmanager
def started(script: str, stdout: Any = subprocess.PIPE) -> Generator[subprocess.Popen[bytes]]:
    """Start a program; kill it at the end, and wait for its guard."""
    with subprocess.Popen(
        command(script),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
            no_guard_is_left(process.pid)


def until_told(process: subprocess.Popen[bytes], text: str) -> str:
    """Read a program's stderr up to what it tells; return the rest of that line."""
    assert process.stderr is not None
    seen = b""
    for line in process.stderr:
        seen += line
        if line.startswith(f"<{text}".encode()):
            return line.decode()[len(text) + 1 :].strip(" >\n")
    raise AssertionError(seen)


def ended(script: str, seconds: float = PATIENCE) -> tuple[int, bytes]:
    """Run a program to its end; return its status, and all that came out of its pipe."""
    with started(script) as it:
        output, _ = it.communicate(timeout=seconds)
        return it.returncode, output


SINKS: Final = ("pipe", "socket", "file", "appended file")


def ended_into(sink: str, script: str, path: Path) -> bytes:
    """Run a program with another kind of stdout; return what came out."""
    if sink == "pipe":
        return ended(script)[1]
    if sink == "socket":
        return _ended_into_socket(script)
    path.write_bytes(b'{"type": "earlier"}\n')
    with path.open("ab" if sink == "appended file" else "wb") as file, started(script, file) as it:
        it.wait(PATIENCE)
    return path.read_bytes()  # the guard is gone


def _ended_into_socket(script: str) -> bytes:
    ours, theirs = socket.socketpair()
    with ours, started(script, theirs.fileno()) as it:
        theirs.close()
        ours.settimeout(PATIENCE)
        output = b""
        while data := ours.recv(65536):
            output += data
        it.wait(PATIENCE)
    return output


def results(output: bytes) -> list[Fact]:
    """Return the results in an output, of which every line but a cut-off one is whole."""
    lines = [_parsed(line) for line in output.splitlines()]
    return [line for line in lines if line is not None and line["type"] == "result"]


def the_result(output: bytes) -> Fact:
    """Return the one result of an output, which is its last line."""
    (found,) = results(output)
    assert output.endswith(b"\n")
    assert _parsed(output.splitlines()[-1]) == found, output[-500:]
    return found


def _parsed(line: bytes) -> Fact | None:
    try:
        fact: Fact = json.loads(line)
    except ValueError:
        return None
    return fact

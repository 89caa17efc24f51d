"""Programs under pdb at a terminal, and under a process that traces them."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.process.guarded import on_each_loop, program, tracer

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform == "win32", reason="terminals"),
]

ROOT = Path(__file__).parents[2]
_PATIENCE = 20.0
_PROMPT = "(Pdb) "
_LATE = 1.5  # seconds, for a ladder of 0.6
_LOGIN = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-u", *sys.argv[1:]])
"""
_RUN = """
import asyncio, os, signal, sys, time
from supervisor import Ladder, Supervisor, run
LADDER = Ladder(drain=0.2, cancel=0.2, abandon=0.2)
async def main(sup):
    {first}
    print("is at work", flush=True)
    request = await sup.wait_stop()
    print(request.reason, flush=True)
"""
_UNDER_RUN = "run(main, loop={loop!r}, ladder=LADDER)\n"
_AS_BLOCK = """
async def block():
    async with Supervisor(ladder=LADDER, guard=True) as sup:
        await main(sup)
    sys.exit(sup.exit_status)
if {loop!r} == "uvloop":
    import uvloop
with asyncio.Runner(loop_factory={loop}.new_event_loop) as runner:
    runner.run(block())
"""
_HOSTS = {"run": _UNDER_RUN, "block": _AS_BLOCK}


class Terminal:
    """A program at a terminal of its own, and its user."""

    def __init__(self, process: subprocess.Popen[bytes], fd: int) -> None:
        self._process = process
        self._fd = fd
        self._shown = ""
        self.pid = process.pid

    def type(self, keys: str) -> None:
        """Press these keys."""
        os.write(self._fd, keys.encode())

    def press(self, key: str, text: str) -> str:
        """Press a key until this is shown; return what was shown up to it.

        Once more after a while: a signal that comes just before Python reads wakes nobody.
        """
        for _ in range(9):
            self.type(key)
            with contextlib.suppress(AssertionError):
                return self.until(text, seconds=2.0)
        self.type(key)
        return self.until(text)

    def until(self, text: str, seconds: float = _PATIENCE) -> str:
        """Wait until this is shown; return what was shown up to it."""
        deadline = time.monotonic() + seconds
        while text not in self._shown:
            left = deadline - time.monotonic()
            assert select.select([self._fd], [], [], max(0.0, left))[0], f"{text}: {self._shown}"
            try:
                self._shown += os.read(self._fd, 65536).decode()
            except OSError:
                raise AssertionError(f"{text} never came: {self._shown}") from None
        before, _, self._shown = self._shown.partition(text)
        return before

    def tell(self, line: str) -> str:
        """Give the debugger a line at its prompt; return its answer."""
        self.type(f"{line}\n")
        return self.until(_PROMPT)

    def wait(self) -> int:
        """Return its status."""
        return self._process.wait(_PATIENCE)


@contextlib.contextmanager
def at_terminal(*arguments: str) -> Generator[Terminal]:
    """Start Python on a terminal of its own; kill it at the end."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", _LOGIN, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb"},
        start_new_session=True,
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            process.kill()
            os.close(ours)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Return the path of a program."""
    return tmp_path / "program.py"


def _write(script: Path, loop: str, host: str = "run", first: str = "pass") -> str:
    script.write_text(_RUN.format(first=first) + _HOSTS[host].format(loop=loop))
    return str(script)


@on_each_loop
@pytest.mark.parametrize("host", list(_HOSTS))
def test_ctrl_c_at_a_prompt_is_the_debuggers(script: Path, loop: str, host: str) -> None:
    """At a prompt Ctrl-C ends the typed line; once the program goes on, it requests a stop."""
    with at_terminal(_write(script, loop, host, "breakpoint()")) as it:
        it.until(_PROMPT)
        it.type("half a line")
        it.until("half a line")  # here it waits for more: a signal before that wakes nobody
        assert "--KeyboardInterrupt--" in it.press("\x03", _PROMPT)
        assert it.tell("p sup.stop_request").endswith("None\r\n")
        it.type("c\n")
        it.until("is at work")
        os.kill(it.pid, signal.SIGTERM)
        it.until("Stopped by SIGTERM")
        assert it.wait() in (-signal.SIGTERM, 128 + signal.SIGTERM)


@on_each_loop
@pytest.mark.parametrize("host", list(_HOSTS))
def test_time_stands_still_at_a_prompt(script: Path, loop: str, host: str) -> None:
    """A SIGTERM requests a stop whose seconds begin when the program goes on."""
    with at_terminal(_write(script, loop, host, "breakpoint()")) as it:
        it.until(_PROMPT)
        os.kill(it.pid, signal.SIGTERM)
        it.tell(f"time.sleep({_LATE})")
        assert "DRAIN" in it.tell("p sup.rung")
        it.type("c\n")
        it.until("Stopped by SIGTERM")
        assert it.wait() in (-signal.SIGTERM, 128 + signal.SIGTERM)


@on_each_loop
def test_ctrl_c_under_a_debugger_stops_in_the_debugger(script: Path, loop: str) -> None:
    """Under `python -m pdb` Ctrl-C enters the debugger; a signal by `kill` stops the program."""
    with at_terminal("-m", "pdb", _write(script, loop)) as it:
        it.until(_PROMPT)
        it.type("c\n")
        it.until("is at work")
        it.type("\x03")
        assert "Program interrupted" in it.until(_PROMPT)
        it.type("c\n")
        os.kill(it.pid, signal.SIGTERM)
        it.until("Stopped by SIGTERM")


@on_each_loop
def test_a_debugger_that_has_let_go_hears_ctrl_c_and_stops_no_time(script: Path, loop: str) -> None:
    """After a breakpoint pdb handles Ctrl-C; a stop has its deadline all the same."""
    with at_terminal(_write(script, loop, first="breakpoint()")) as it:
        it.until(_PROMPT)
        it.type("c\n")
        it.until("is at work")
        it.type("\x03")
        assert "Program interrupted" in it.until(_PROMPT)
        it.type("c\n")
        os.kill(it.pid, signal.SIGTERM)
        it.until("Stopped by SIGTERM")
        assert it.wait() == -signal.SIGTERM


@on_each_loop
def test_what_refuses_is_ended_behind_a_breakpoint(script: Path, loop: str) -> None:
    """What refuses to stop is ended once the debugger has continued."""
    refuses = """breakpoint()
    while True:
        try: await asyncio.sleep(60)
        except asyncio.CancelledError: print("refuses", flush=True)"""
    with at_terminal(_write(script, loop, first=refuses)) as it:
        it.until(_PROMPT)
        it.type("c\n")
        os.kill(it.pid, signal.SIGTERM)
        it.until("refuses")
        assert it.wait() == 137


@pytest.mark.skipif(sys.platform != "linux", reason="ptrace")
def test_time_stands_still_for_a_process_that_is_traced() -> None:
    """A traced process does not end itself at its deadline before the tracer has gone."""
    script = """
    async def main(sup):
        tell("ready")
        while True:
            try: await asyncio.sleep(60)
            except asyncio.CancelledError: pass
    run(main, ladder=Ladder(drain=1, cancel=0.1, abandon=0.1))
    """
    with program(script) as it:
        it.until("ready")
        with tracer(it.pid) as seize:
            it.signal(signal.SIGTERM)
            seize()
            with pytest.raises(subprocess.TimeoutExpired):
                it._process.wait(2.5)
        assert it.wait() == 137

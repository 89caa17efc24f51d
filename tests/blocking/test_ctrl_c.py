"""Programs that do not end by themselves, and a real Ctrl-C or SIGTERM."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import pty
import signal
import termios
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from tests.blocking.children import PATIENCE, started
from tests.process.harness import Lines

pytestmark = [pytest.mark.process, pytest.mark.blocks]

on_each_loop = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
in_two_ways = pytest.mark.parametrize(
    ("loop", "number"), [("asyncio", signal.SIGINT), ("uvloop", signal.SIGTERM)]
)
_SOON = 1.0  # seconds, for what ends at the first cancellation


@on_each_loop
def test_ctrl_c_on_a_terminal_while_the_user_is_asked(loop: str) -> None:
    """Ctrl-C ends the question at once; the next one gets its line; the terminal is as found."""
    far, near = pty.openpty()
    try:
        found = termios.tcgetattr(near), fcntl.fcntl(near, fcntl.F_GETFL)
        with started("asks", loop, stdin=near) as child:
            child.until("asked")
            os.write(far, b"answer\n")
            child.until("asked")
            os.write(far, b"half a li\x03")  # the terminal drops what was typed before Ctrl-C
            stopped = child.until("result")
            assert stopped["reason"] == "Stopped by SIGINT"
            os.write(far, b"after all\n")
            assert child.until("answer")["line"] == "after all"
            assert child.wait() == -signal.SIGINT, child.story()
            assert "Traceback" not in child.stderr, child.story()
        assert (termios.tcgetattr(near), fcntl.fcntl(near, fcntl.F_GETFL)) == found
    finally:
        os.close(far)
        os.close(near)


@contextlib.contextmanager
def _fifo(folder: Path) -> Generator[Lines]:
    """Return the FIFO in the folder to which a grandchild writes."""
    os.mkfifo(folder / "told")
    fd = os.open(folder / "told", os.O_RDWR)  # so that its end is never reached
    try:
        yield Lines(fd)
    finally:
        os.close(fd)


def _is_gone(pid: int, seconds: float) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        _, alive = psutil.wait_procs([psutil.Process(pid)], seconds)
        return not alive
    return True


@in_two_ways
@pytest.mark.skipif(not importlib.util.find_spec("mcp"), reason="needs the extra `mcp`")
def test_a_server_of_tools_is_gone_with_the_process(
    loop: str, number: signal.Signals, tmp_path: Path
) -> None:
    """While a tool never answers, the program has its result at once, and the server is gone."""
    arguments = [loop, "tools", str(tmp_path / "told"), str(tmp_path)]
    with _fifo(tmp_path) as told, started("holds_on", *arguments) as child:
        while (fact := told.next(PATIENCE)) and fact["fact"] != "called":
            pass
        sent = child.signal(number)
        stopped = child.until("result")
        assert stopped["reason"] == f"Stopped by {number.name}"
        assert stopped["at"] - sent < _SOON, child.story()
        assert child.wait() == -number, child.story()
        assert fact is not None
        assert _is_gone(fact["pid"], 5.0)
        assert "Traceback" not in child.stderr, child.story()


@in_two_ways
def test_a_script_is_gone_with_the_process(
    loop: str, number: signal.Signals, tmp_path: Path
) -> None:
    """A script is gone with the process."""
    arguments = [loop, "script", str(tmp_path / "told"), str(tmp_path)]
    with _fifo(tmp_path) as told, started("holds_on", *arguments) as child:
        fact = told.next(PATIENCE)
        assert fact is not None
        try:
            sent = child.signal(number)
            stopped = child.until("result")
            assert stopped["reason"] == f"Stopped by {number.name}"
            assert stopped["at"] - sent < 0.2 + 4 / 2 + _SOON, child.story()
            assert child.wait() == -number, child.story()
            assert _is_gone(fact["pid"], 0)
            assert "Traceback" not in child.stderr, child.story()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(fact["child"], signal.SIGKILL)

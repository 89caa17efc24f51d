"""The terminal is given back, however the process ends: in real pseudo-terminals."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import termios
import textwrap
from collections.abc import Generator
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pexpect
import pytest

from tests.process.commands import NEEDS_NAMESPACE
from tests.process.guarded import PATIENCE, no_guard_is_left, until
from tests.process.last_lines import REFUSALS
from tests.process.namespaces import UNSHARE

pytestmark = [pytest.mark.process]

ROOT = Path(__file__).parents[2]
UNDONE = "\x1b[?25h\x1b[?2004l"

PREAMBLE = (
    REFUSALS
    + """
import os, re, signal, sys, termios
from supervisor import Ladder, run
from supervisor._process import terminal
from supervisor._process.terminal import NO_PASTE_MODE, SHOW_CURSOR
LADDER = Ladder(drain=0.1, cancel=0.1, abandon=0.1)
def change():
    found, ours = termios.tcgetattr(0), termios.tcgetattr(0)
    ours[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(0, termios.TCSANOW, ours)
    os.write(1, b"\\x1b[?25l\\x1b[?2004h")
    terminal.changed(0, found, SHOW_CURSOR + NO_PASTE_MODE)
    os.write(1, b"<ready %d>" % os.getpid())
"""
)
MAIN = """
async def main(sup):
    change()
    {}
run(main, ladder=LADDER)
"""
# Each way to end: what the program does, and the signal.
ENDS = {
    "killed": ("await sup.wait_stop()", signal.SIGKILL),
    "in order": ("await sup.wait_stop()", signal.SIGTERM),
    "forced": ("refuse()", signal.SIGTERM),
    "held": ("hold()", signal.SIGTERM),
}


class Terminal:
    """A shell in a pseudo-terminal, and all that has come out of it."""

    def __init__(self, shell: Any, log: StringIO, path: Path) -> None:
        self.shell = shell
        self._log = log
        self._path = path

    @property
    def output(self) -> str:
        """All that has come out so far."""
        with contextlib.suppress(pexpect.TIMEOUT, pexpect.EOF):
            self.shell.expect(r"\Z(?!)", timeout=0.05)
        return self._log.getvalue()

    def start(self, script: str, prefix: str = "") -> int:
        """Have the shell run a program; return its pid."""
        self._path.write_text(PREAMBLE + textwrap.dedent(script))
        self.shell.sendline(f"{prefix} {sys.executable} -P {self._path}")
        self.shell.expect(r"<ready (\d+)>")
        return int(self.shell.match[1])

    def modes(self) -> list[Any]:
        """Return the terminal's modes, as seen from its other side."""
        return termios.tcgetattr(self.shell.child_fd)


@contextlib.contextmanager
def terminal(path: Path, *words: str) -> Generator[Terminal]:
    """Start a shell in a pseudo-terminal of its own."""
    log = StringIO()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PS1": "PROMPT> ", "TERM": "xterm"}
    more: dict[str, Any] = {"encoding": "utf8", "timeout": PATIENCE, "env": environment}
    shell = cast("Any", pexpect.spawn(words[0], [*words[1:]], **more))
    shell.logfile_read = log
    try:
        yield Terminal(shell, log, path / "program.py")
    finally:
        shell.close(force=True)


# A shell without job control: it does nothing for its terminal, and goes on at once.
PLAIN = ("sh", "-c", 'while read line; do eval "$line"; echo "<status $?>"; done')
BASH = ("bash", "--norc", "--noprofile", "-i")


@pytest.mark.parametrize("end", ENDS)
def test_it_is_as_before(end: str, tmp_path: Path) -> None:
    """After each end the modes are as before, the cursor is shown, and paste mode is off."""
    body, number = ENDS[end]
    with terminal(tmp_path, *PLAIN) as it:
        before = it.modes()
        pid = it.start(MAIN.format(body))
        assert it.modes() != before
        os.kill(pid, number)
        it.shell.expect("<status")
        until(lambda: it.modes() == before)
        until(lambda: UNDONE in it.output)
        no_guard_is_left(pid)


@NEEDS_NAMESPACE
def test_the_same_as_pid_1(tmp_path: Path) -> None:
    """Where the program is the child of PID 1, the terminal is given back before PID 1 ends."""
    with terminal(tmp_path, *PLAIN) as it:
        before = it.modes()
        it.start(MAIN.format("os.kill(os.getpid(), signal.SIGKILL)"), " ".join(UNSHARE))
        it.shell.expect("<status 137>")
        assert it.modes() == before
        assert UNDONE in it.output


SOAK = [pytest.mark.soak, pytest.mark.timeout(300)]


@pytest.mark.parametrize("count", [1, pytest.param(30, marks=SOAK)])
@pytest.mark.parametrize("end", ["killed", "held"])
def test_a_shells_line_editor_goes_on(end: str, count: int, tmp_path: Path) -> None:
    """Under an interactive bash the arrow keys work afterwards, and commands see the old modes."""
    body, number = ENDS[end]
    with terminal(tmp_path, *BASH) as it:
        it.shell.expect("PROMPT> ")
        before = _stty(it)
        for _ in range(count):
            pid = it.start(MAIN.format(body))
            os.kill(pid, number)
            it.shell.expect("PROMPT> ")
            no_guard_is_left(pid)
            it.shell.send("echo ac\x1b[Db\r")  # an arrow to the left
            it.shell.expect(r"[\r\n]abc\r")
            it.shell.expect("PROMPT> ")
            assert _stty(it) == before
            output = it.output
            assert output.rindex("\x1b[?25h") > output.rindex("\x1b[?25l")
            if end == "held":  # the guard was here before the shell
                assert UNDONE in output[output.rindex("\x1b[?25l") :]


def _stty(it: Terminal) -> str:
    it.shell.sendline("stty -g")
    it.shell.expect(r"[\r\n]([0-9a-f:]{20,})\r")
    modes = str(it.shell.match[1])
    it.shell.expect("PROMPT> ")
    return modes


def test_modes_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    """Where somebody has set other modes since, these stay, and only the cursor is shown."""
    with terminal(tmp_path, *PLAIN) as it:
        pid = it.start(MAIN.format("await sup.wait_stop()"))
        modes = it.modes()
        modes[3] ^= termios.NOFLSH
        termios.tcsetattr(it.shell.child_fd, termios.TCSANOW, modes)
        os.kill(pid, signal.SIGKILL)
        no_guard_is_left(pid)
        assert it.modes() == modes
        until(lambda: "\x1b[?25h" in it.output)
        assert "\x1b[?2004l" not in it.output


def test_what_was_restored_is_left_alone(tmp_path: Path) -> None:
    """After `restored()` nobody touches the terminal."""
    with terminal(tmp_path, *PLAIN) as it:
        pid = it.start(MAIN.format("terminal.restored(); print('<set>'); await sup.wait_stop()"))
        it.shell.expect("<set>")
        modes = it.modes()
        os.kill(pid, signal.SIGKILL)
        no_guard_is_left(pid)
        assert it.modes() == modes
        assert "\x1b[?25h" not in it.output


def test_a_closed_terminal_keeps_nobody(tmp_path: Path) -> None:
    """Where the terminal is closed, the program and its guard end as they would."""
    with terminal(tmp_path, *PLAIN) as it:
        pid = it.start(MAIN.format("await sup.wait_stop()"))
        it.shell.close(force=True)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        no_guard_is_left(pid)


def test_ctrl_z_and_fg(tmp_path: Path) -> None:
    """A program that gives the terminal back while it is suspended takes it again after `fg`."""
    script = """
    async def main(sup):
        change()
        ours = termios.tcgetattr(0)
        terminal.give_back()
        print("<back>", flush=True)
        os.kill(0, signal.SIGSTOP)
        termios.tcsetattr(0, termios.TCSANOW, ours)
        change()
        await sup.wait_stop()
    run(main, ladder=LADDER)
    """
    with terminal(tmp_path, *BASH) as it:
        it.shell.expect("PROMPT> ")
        before = _stty(it)
        it.start(script)
        it.shell.expect("Stopped")
        it.shell.expect("PROMPT> ")
        assert _stty(it) == before
        it.shell.sendline("fg")
        it.shell.expect(r"<ready (\d+)>")
        os.kill(int(it.shell.match[1]), signal.SIGKILL)
        it.shell.expect("PROMPT> ")
        assert _stty(it) == before


def test_forced_without_a_guard(tmp_path: Path) -> None:
    """Without a guard a forced end gives the terminal back; after a kill nobody does."""
    with terminal(tmp_path, *PLAIN) as it:
        before = it.modes()
        unguarded = MAIN.replace("run(main", "run(main, guard=False")
        os.kill(it.start(unguarded.format("refuse()")), signal.SIGTERM)
        it.shell.expect("<status 137>")
        assert it.modes() == before
        os.kill(it.start(unguarded.format("await sup.wait_stop()")), signal.SIGKILL)
        it.shell.expect("<status 137>")
        assert it.modes() != before

"""The foreground of a terminal: to whom it is handed, and when it stays."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX"),
]

_ROOT = Path(__file__).parents[3]

_HEAD = """
import fcntl, os, signal, subprocess, sys, termios
from supervisor._process.foreground import Foreground
answer, screen = int(sys.argv[1]), int(sys.argv[2])
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())

def say(*facts):
    os.write(answer, " ".join(str(int(fact)) for fact in facts).encode())

def in_own_group():
    command = [sys.executable, "-c", "input()"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, process_group=0)
"""


def _facts(script: str, *, has_terminal: bool = True, is_pipeline: bool = False) -> str:
    """Run a script at a terminal, and return what it says."""
    screen, terminal = pty.openpty()
    reader, writer = os.pipe()
    command = _HEAD + textwrap.dedent(script)
    if has_terminal:
        command = f"import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n{command}"
    subprocess.run(
        [sys.executable, "-c", command, str(writer), str(screen)],
        stdin=terminal if has_terminal else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if is_pipeline or not has_terminal else terminal,
        stderr=subprocess.DEVNULL if not has_terminal else None,
        pass_fds=[writer, screen],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        start_new_session=True,
        check=False,
        timeout=30,
    )
    for fd in (screen, terminal, writer):
        os.close(fd)
    with os.fdopen(reader) as answer:
        return answer.read()


@pytest.mark.parametrize(
    ("is_pipeline", "in_pipeline", "is_handed"),
    [(False, False, True), (True, False, False), (True, True, True)],
)
def test_in_a_pipeline_it_is_kept_unless_it_is_asked_for(
    is_pipeline: bool, in_pipeline: bool, is_handed: bool
) -> None:
    """Others of a pipeline may want the foreground, so a command gets it there on request."""
    script = f"""
    child = in_own_group()
    ours = Foreground()
    is_handed = ours.hand_over(child.pid, in_pipeline={in_pipeline})
    has_it = ours.is_held_by(child.pid)
    ours.take_back(child.pid)
    say(ours.has_terminal, is_handed, has_it, ours.is_held_by(os.getpgrp()))
    child.communicate(b"end")
    """
    facts = f"1 {int(is_handed)} {int(is_handed)} 1"
    assert _facts(script, is_pipeline=is_pipeline) == facts


def test_a_group_that_has_ended_does_not_get_it() -> None:
    """Where a command has ended already the foreground stays ours."""
    script = """
    child = in_own_group()
    child.communicate(b"end")
    ours = Foreground()
    say(ours.hand_over(child.pid, in_pipeline=True), ours.is_held_by(os.getpgrp()))
    """
    assert _facts(script) == "0 1"


def test_without_a_terminal_nothing_is_handed_over() -> None:
    """Where no terminal controls the session nobody has its foreground."""
    script = """
    ours = Foreground()
    ours.take_back(os.getpgrp())
    say(ours.has_terminal, ours.hand_over(1, in_pipeline=True), ours.is_held_by(os.getpgrp()))
    """
    assert _facts(script, has_terminal=False) == "0 0 0"


def test_a_terminal_that_hangs_up_meanwhile_is_no_error() -> None:
    """A terminal that is lost as the foreground is taken back is left."""
    script = """
    ours = Foreground()
    found = os.tcsetpgrp
    def hung_up(fd, group): raise OSError(5, "Input/output error")
    os.tcsetpgrp = hung_up
    ours.take_back(os.getpgrp())
    is_handed = ours.hand_over(1, in_pipeline=True)
    say(is_handed)
    """
    assert _facts(script) == "0"

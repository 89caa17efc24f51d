"""A chat that an interactive bash has started: suspended, continued, killed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pexpect
import psutil
import pytest

from tests.cli.chats import PROMPT, RESUME
from tests.cli.terminal import CTRL_C, CTRL_D, CTRL_Z, Terminal

pytestmark = pytest.mark.process

SHELL_PROMPT: Final = "bash:"
ROOT: Final = Path(__file__).parents[2]
# A program with the warm imports of the others would not be the shell's own child.
CHAT: Final = f"{sys.executable} -m supervisor chat tests.cli.quiet:waiter"


class Bash(Terminal):
    """An interactive bash."""

    def __init__(self, tmp_path: Path) -> None:
        environ = {
            **os.environ,
            "PS1": f"{SHELL_PROMPT} ",
            "TERM": "xterm-256color",
            "XDG_STATE_HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT),
        }
        self.process: pexpect.spawn[bytes] = pexpect.spawn(
            "bash", ["--norc", "--noprofile", "-i"], env=environ, cwd=str(ROOT), dimensions=(24, 80)
        )
        super().__init__(self.process.child_fd)
        self.wait_for_prompt(SHELL_PROMPT)

    def close(self) -> None:
        """End it, and all that it has started."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.close(force=True)
        for child in children:
            if child.is_running():
                child.kill()

    def do(self, command: str) -> None:
        """Have it carry out a command."""
        self.press(f"{command}\r")

    def stty(self) -> str:
        """Return the terminal's modes as `stty` says them."""
        self._count = getattr(self, "_count", 0) + 1
        self.do(f"stty -a | md5sum | cut -c1-8; echo done-{self._count}")
        self.wait_for(f"\ndone-{self._count}\n")
        self.wait_for_prompt(SHELL_PROMPT)
        return self.text.split(f"\ndone-{self._count}\n")[0].rsplit("\n", 1)[-1]

    def chat_pid(self) -> int:
        """Return the pid of the chat that it has started."""
        [child] = psutil.Process(self.process.pid).children()
        return child.pid


@pytest.fixture
def bash(tmp_path: Path) -> Iterator[Bash]:
    """Give a bash at a terminal."""
    shell = Bash(tmp_path)
    yield shell
    shell.close()


def test_a_chat_is_suspended_gone_on_with_and_left(bash: Bash) -> None:
    """Ctrl-Z gives the shell its terminal, and `fg` the chat its own, at the prompt and busy."""
    found = bash.stty()
    bash.do(CHAT)
    bash.wait_for_prompt(PROMPT)
    bash.press("half a")
    bash.wait_for_prompt("> half a")
    for prompt in ("> half a", "queue>"):
        bash.press(CTRL_Z)
        bash.wait_for_prompt(SHELL_PROMPT)
        assert bash.stty() == found
        bash.do("fg")
        bash.wait_for_prompt(prompt)
        if prompt != "queue>":
            bash.press(" line\r")
            bash.wait_for_prompt("queue>")
    bash.press(CTRL_C)
    bash.wait_for_prompt(PROMPT)
    bash.press(CTRL_D)
    bash.wait_for_prompt(SHELL_PROMPT)
    assert RESUME in bash.text
    assert bash.stty() == found


def test_a_killed_chat_leaves_the_shell_in_order(bash: Bash) -> None:
    """After SIGKILL the modes are as before, and the shell's own line editor works."""
    found = bash.stty()
    bash.do(CHAT)
    bash.wait_for_prompt(PROMPT)
    os.kill(bash.chat_pid(), signal.SIGKILL)
    bash.wait_for("Killed")
    bash.wait_for_prompt(SHELL_PROMPT)
    bash.press("echo edXted\x1b[D\x1b[D\x1b[D\x7fi")  # the arrow keys are the line editor's
    bash.wait_for_prompt(f"{SHELL_PROMPT} echo edited")
    bash.press("\r")
    bash.wait_for("\nedited\n")
    assert bash.stty() == found
    assert bash.is_cursor_shown

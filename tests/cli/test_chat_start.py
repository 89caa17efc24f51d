"""How a chat begins: what it loads, and what it refuses."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.terminal import Terminal

pytestmark = pytest.mark.process

_WITHOUT_EXTRA = """
import sys
sys.modules["prompt_toolkit"] = None
sys.argv = ["autogen-supervisor", "chat", "json:loads"]
from supervisor._cli.main import main
main()
"""


@pytest.mark.parametrize("name", ["stdin", "stdout"])
def test_a_chat_needs_a_terminal(name: str) -> None:
    """Without one, a line says so, and names the command that needs none."""
    with Terminal() as terminal:
        done = subprocess.run(
            [sys.executable, "-m", "supervisor", "chat", "json:loads"],
            stdin=subprocess.DEVNULL if name == "stdin" else terminal.theirs,
            stdout=subprocess.DEVNULL if name == "stdout" else terminal.theirs,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=50,
        )
    said = f"supervisor: chat needs a terminal, and {name} is none; use `autogen-supervisor run"
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def test_a_chat_without_the_extra_names_it() -> None:
    """Where prompt_toolkit is not installed, a line says what to install."""
    with Terminal() as terminal:
        done = subprocess.run(
            [sys.executable, "-c", _WITHOUT_EXTRA],
            stdin=terminal.theirs,
            stdout=terminal.theirs,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=50,
        )
    assert done.returncode == 2
    assert "pip install 'autogen-supervisor[cli]'" in done.stderr
    assert done.stderr.count("\n") == 1

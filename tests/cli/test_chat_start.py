"""How a chat begins: what it loads, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.cli.terminal import Terminal

pytestmark = pytest.mark.process

_HELP = """
import contextlib, io, json, sys
sys.argv = ["autogen-supervisor", "chat", "--help"]
from supervisor._cli.main import main
with contextlib.redirect_stdout(io.StringIO()) as help, contextlib.suppress(SystemExit):
    main()
print(json.dumps([help.getvalue(), sorted(sys.modules)]))
"""
_WITHOUT_EXTRA = """
import sys
sys.modules["prompt_toolkit"] = None
sys.argv = ["autogen-supervisor", "chat", "json:loads"]
from supervisor._cli.main import main
main()
"""
_HEAVY = ("asyncio", "autogen_agentchat", "autogen_core", "prompt_toolkit", "rich", "structlog")


def test_the_help_needs_nothing_heavy() -> None:
    """`chat --help` names each option, and loads neither AutoGen nor asyncio."""
    done = subprocess.run(
        [sys.executable, "-c", _HELP], capture_output=True, check=True, timeout=50
    )
    shown, modules = json.loads(done.stdout)
    for option in ("--continue", "--resume NAME", "--drain", "--trust", "--select"):
        assert option in shown
    assert "--timeout" not in shown
    assert not {module.partition(".")[0] for module in modules} & set(_HEAVY)


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

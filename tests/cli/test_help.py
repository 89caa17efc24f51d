"""What the commands say of themselves, and what they load for that."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

import pytest

pytestmark = pytest.mark.process

HEAVY: Final = (
    *("asyncio", "autogen_agentchat", "autogen_core", "prompt_toolkit", "pydantic"),
    *("rich", "structlog", "uvloop", "yaml"),
)
"""What takes long to import, and is not needed to say how a command is used."""

_HELP: Final = """
import contextlib, io, json, sys
sys.argv = ["autogen-supervisor", sys.argv[1], "--help"]
from supervisor._cli.main import main
with contextlib.redirect_stdout(io.StringIO()) as help, contextlib.suppress(SystemExit):
    main()
print(json.dumps([help.getvalue(), sorted(sys.modules)]))
"""


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (
            "run",
            [
                "--output-format",
                "--task-file",
                "--drain",
                "--grace",
                "-m PACKAGE",
                "--quiet",
                "--id",
            ],
        ),
        ("chat", ["--continue", "--resume NAME", "--id NAME", "--drain", "--trust", "--select"]),
        ("runs", ["--status", "--json", "--checkpoints URL"]),
        ("show", ["ID", "--json", "--verbose", "--checkpoints URL"]),
        ("cancel", ["ID [ID ...]", "--checkpoints URL"]),
        ("forget", ["ID [ID ...]", "--checkpoints URL"]),
        ("work", ["--store", "--concurrency", "--attempts", "--backoff", "--lease", "--drain"]),
        ("submit", ["--store", "--id", "--trust"]),
        ("retry", ["--store"]),
        ("check", ["--json", "TARGET", "FILE", "-- COMMAND"]),
    ],
)
def test_the_help_names_each_option_and_loads_nothing_heavy(
    command: str, options: list[str]
) -> None:
    """Neither AutoGen nor asyncio, nor anything else that takes long."""
    done = subprocess.run(
        [sys.executable, "-c", _HELP, command], capture_output=True, check=True, timeout=50
    )
    shown, modules = json.loads(done.stdout)
    assert shown.startswith(f"usage: autogen-supervisor {command} [")
    assert not [option for option in options if option not in shown]
    assert ("--timeout" in shown) is (command == "run")
    assert not {module.partition(".")[0] for module in modules} & set(HEAVY)

"""Programs as they are: whatever their shape, a signal stops them in order, and at once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from signal import SIGINT, SIGTERM
from typing import Final

import pytest

from tests.cli.programs import AT_WORK, running
from tests.process.harness import MARGIN, Server

pytestmark = pytest.mark.process

SHAPES: Final = {
    "quickstart.py": "",
    "round_robin.py": "result: Stopped by {}\nwent on\n",
    "selector.py": "result: Stopped by {}\n",
    "swarm.py": "",
    "user_proxy.py": "",
    "state.py": "saved\nat work\nsaved\n",
    "graph.py": "",
    "custom_agent.py": "['Count']\n",
    "agent_run.py": "stop_reason='Stopped by {}'\n",
    "on_messages.py": "",
    "core_runtime.py": "",
    "magentic.py": "",
    "magentic_cli.py": "client closed\n",
    "reported.py": "main is over\n",
    "nest_before.py": "Stopped by {}\n",
    "nest_after.py": "Stopped by {}\n",
    "with_anyio.py": "Stopped by {}\n",
    "with_uvloop.py": "uvloop\nat work\nStopped by {}\n",
    "uvloop_policy.py": "Stopped by {}\nloop closed\n",
    "legacy_loop.py": "interrupted\nclosed\n",
    "forever.py": "Stopped by {}\n",
    "runner_twice.py": "First.\nat work\nHello\n",
    "own_handler.py": "asked to stop\nresult: Stopped by {}\n",
}
"""The scripts, each with what it writes about its end."""


@pytest.fixture(scope="module")
def nobody_types() -> Iterator[int]:
    """Return a stdin that stays open, and on which nothing comes."""
    reader, writer = os.pipe()
    yield reader
    os.close(reader)
    os.close(writer)


def _stops(
    server: Server, script: str, number: signal.Signals, stdin: int, policy: str = "asyncio"
) -> None:
    options = ["--drain", "0.1"]
    arguments = ["a", "task"] if script == "magentic_cli.py" else []
    with running(
        server, script, *arguments, options=options, stdin=stdin, policy=policy
    ) as program:
        program.until(AT_WORK)
        at = program.child.signal(number)
        status = program.wait()
        assert time.monotonic() - at < MARGIN, program.story()
        assert status == -number, program.story()
        assert SHAPES[script].format(number.name) in program.stdout, program.story()
        assert "Never" not in program.stdout, program.story()
        assert program.child.stderr == "", program.story()


@pytest.mark.parametrize("script", SHAPES)
def test_ctrl_c_stops_a_program_of_any_shape(
    server: Server, script: str, nobody_types: int
) -> None:
    """It ends at once, dies by the signal, shows nothing, and its own clean-up has run."""
    _stops(server, script, SIGINT, nobody_types)


def test_a_handler_of_the_program_is_called_too(server: Server) -> None:
    """One that was set before the loop has started, as in the report of the error."""
    with running(server, "reported.py") as program:
        program.until(AT_WORK)
        program.child.signal(SIGINT)
        assert program.wait() == -SIGINT, program.story()
        assert "asked to stop\n" in program.stdout, program.story()


@pytest.mark.parametrize("script", ["round_robin.py", "core_runtime.py", "forever.py"])
def test_so_does_sigterm(server: Server, script: str, nobody_types: int) -> None:
    """The turn gets its seconds first."""
    _stops(server, script, SIGTERM, nobody_types)


@pytest.mark.soak
@pytest.mark.parametrize("policy", ["asyncio", "uvloop"])
@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
@pytest.mark.parametrize("script", SHAPES)
def test_each_shape_by_each_signal_on_each_loop(
    server: Server, script: str, number: signal.Signals, policy: str, nobody_types: int
) -> None:
    """The loop that a program gets without asking makes no difference."""
    if policy == "uvloop" and script.startswith("nest_"):
        pytest.skip("nest_asyncio refuses uvloop's loops")
    _stops(server, script, number, nobody_types, policy)

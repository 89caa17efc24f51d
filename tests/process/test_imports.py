"""Nothing is imported between a signal and the result, since that would take too long."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]

PROGRAM = """
import asyncio, os, signal, sys
from autogen_agentchat.messages import ToolCallRequestEvent
from supervisor import Supervisor, run
from supervisor.testing import calls
from tests.agents import Deaf, scripted, team

asked = asyncio.Event()

async def wait() -> str:
    "Wait."
    asked.set()
    await asyncio.sleep(30)
    return "x"

async def stopped(sup, kind):
    deaf = Deaf()
    agent = deaf if kind == "model" else scripted("a", [calls("wait")], wait)
    running = asyncio.create_task(sup.stream(team(agent), "x"))
    await (deaf.is_working if kind == "model" else asked).wait()
    found = set(sys.modules)
    os.kill(os.getpid(), signal.SIGINT)
    result = await running
    print(result.stop_reason, *sorted(set(sys.modules) - found), sep="\\n")

async def in_a_block(kind):
    async with Supervisor() as sup:
        await stopped(sup, kind)

kind, host = sys.argv[1:]
if host == "block":
    asyncio.run(in_a_block(kind))
else:
    async def main(sup):
        await stopped(sup, kind)
    run(main, stop_status=0)
"""


@pytest.mark.parametrize("host", ["block", "run"])
@pytest.mark.parametrize("kind", ["model", "tool"])
def test_nothing_is_imported_between_a_signal_and_the_result(kind: str, host: str) -> None:
    """In a fresh process, a first stop imports nothing between the signal and the result."""
    command = [sys.executable, "-c", PROGRAM, kind, host]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, start_new_session=True
    )
    assert ended.stdout.split("\n") == ["Stopped by SIGINT", ""]

"""Code that an agent runs in child processes ends with its run, and so do its children."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import warnings
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import psutil
import pytest
from autogen_agentchat.agents import CodeExecutorAgent
from autogen_agentchat.messages import CodeExecutionEvent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.models import LLMMessage
from autogen_ext.code_executors.local import LocalCommandLineCodeExecutor

from supervisor._autogen.code_execution import INTERRUPTED
from supervisor.testing import ScriptedModel
from supervisor.testing._complaints import Complaints
from tests.blocking.stops import run_again, stop, words
from tests.blocking.told import Told, listening

pytestmark = [pytest.mark.process, pytest.mark.blocks]

by_stop_and_cancel = pytest.mark.parametrize("way", ["sup.stop", "task.cancel"])

_TELL = """
import json, os, subprocess, sys, time
def tell(**more):
    with open({fifo!r}, "w") as told:
        print(json.dumps({{"pid": os.getpid()}} | more), file=told)
"""
# The second time it has seen the mark, and ends at once.
_SLEEPER = """
if os.path.exists("mark"):
    print("the second time")
else:
    open("mark", "w").close()
    tell(fact="started")
    time.sleep(3600)
"""
_PARENT = """
if os.path.exists("mark"):
    print("the second time")
else:
    open("mark", "w").close()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    tell(fact="started", child=child.pid)
    child.wait()
"""


def _block(told: Told, code: str) -> str:
    return f"```python{_TELL.format(fifo=str(told.path))}{code}```"


@contextlib.asynccontextmanager
async def _team(
    folder: Path, model: ScriptedModel | None = None
) -> AsyncGenerator[RoundRobinGroupChat]:
    """Return a team of one agent that runs code in a folder."""
    with Complaints(), warnings.catch_warnings(category=UserWarning, action="ignore"):
        executor = LocalCommandLineCodeExecutor(work_dir=folder)
        agent = CodeExecutorAgent(
            "coder", executor, model_client=model, supported_languages=["python"]
        )
        async with executor:
            yield RoundRobinGroupChat([agent], max_turns=1)


@by_stop_and_cancel
async def test_a_script_ends_with_its_run(tmp_path: Path, way: str) -> None:
    """The process that runs the code is gone when the run has settled."""
    async with listening(tmp_path) as told, _team(tmp_path) as team:
        started = asyncio.ensure_future(told.until("started"))
        result = await stop(team, started, way, task=_block(told, _SLEEPER))
        assert not psutil.pid_exists(started.result()["pid"])
        assert result is None or words(result)[1:] == [INTERRUPTED]
        assert await _heard(team) == INTERRUPTED
        # It may have taken effect: it is not run again.
        assert "the second time" not in "".join(words(await run_again(team, None)))


@by_stop_and_cancel
async def test_a_script_that_its_model_has_written(tmp_path: Path, way: str) -> None:
    """After a script was cancelled, the agent does not ask its model about it."""
    async with listening(tmp_path) as told:

        def answer(messages: Sequence[LLMMessage]) -> str:
            is_asked = "write" in str(messages[-1].content)
            return _block(told, _SLEEPER) if is_asked else "It was interrupted."

        model = ScriptedModel(answer)
        async with _team(tmp_path, model) as team:
            await stop(team, told.until("started"), way, task="write")
            assert len(model.requests) == 1
            result = await run_again(team, None)
    assert model.requests[1][-1].content == INTERRUPTED
    assert words(result) == ["It was interrupted."]
    assert not any(isinstance(m, CodeExecutionEvent) for m in result.messages)


@by_stop_and_cancel
async def test_a_grandchild_that_holds_the_pipes(tmp_path: Path, way: str) -> None:
    """The executor waits for the pipes; the second cancellation ends that, and the run settles."""
    async with listening(tmp_path) as told, _team(tmp_path) as team:
        started = asyncio.ensure_future(told.until("started"))
        pipes = _pipes()
        # On asyncio a process has ended once its pipes have, on uvloop once it is dead.
        result = await stop(team, started, way, task=_block(told, _PARENT), within=1.5)
        fact = started.result()
        try:
            assert not psutil.pid_exists(fact["pid"])
            assert result is None or words(result)[1:] == [INTERRUPTED]
            assert "the second time" not in "".join(words(await run_again(team, None)))
        finally:
            await _end(fact["child"], pipes)


async def _heard(team: RoundRobinGroupChat) -> str:
    """Return the last message of the team's thread."""
    state = dict(await team.save_state())
    thread = state["agent_states"]["RoundRobinGroupChatManager"]["message_thread"]
    return str(thread[-1]["content"])


async def _end(pid: int, pipes: int) -> None:
    """End a grandchild, which nobody else does; then wait for the loop to close its pipes."""
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).kill()
    async with asyncio.timeout(5):
        while _pipes() > pipes:  # noqa: ASYNC110 - the loop sets no event
            await asyncio.sleep(0)


def _pipes() -> int:
    links = [path.resolve().name for path in Path("/proc/self/fd").iterdir()]
    return sum(name.startswith("pipe:") for name in links)


async def test_a_script_that_has_ended_is_kept(tmp_path: Path) -> None:
    """A stop after a turn with code changes nothing about it."""
    async with listening(tmp_path) as told, _team(tmp_path) as team:
        result = await run_again(team, f"```python\nprint({sys.maxsize})\n```")
        assert str(sys.maxsize) in words(result)[-1]
        assert told.started == 0

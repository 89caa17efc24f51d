"""Code in a Jupyter kernel is interrupted with its run; a kernel that refuses is ended."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

pytest.importorskip("ipykernel", reason="needs a kernel")
pytest.importorskip("nbclient", reason="needs AutoGen's extra `jupyter-executor`")

from autogen_agentchat.agents import CodeExecutorAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken
from autogen_core.code_executor import CodeBlock
from autogen_ext.code_executors.jupyter import JupyterCodeExecutor

from supervisor import Ladder
from supervisor._autogen.code_execution import INTERRUPTED
from tests.blocking.stops import run_again, stop, words
from tests.blocking.told import Told, listening

pytestmark = [pytest.mark.process, pytest.mark.blocks]

_TELL = """
import json, time
def tell(fact):
    with open({fifo!r}, "w") as told:
        print(json.dumps({{"fact": fact}}), file=told)
remembered = 41
"""
_SLEEPER = """
try:
    tell("started")
    time.sleep(3600)
except KeyboardInterrupt:
    tell("interrupted")
    raise
"""
_REFUSER = """
has_told = False
while True:
    try:
        if not has_told:
            tell("started")
        has_told = True
        time.sleep(3600)
    except KeyboardInterrupt:
        tell("interrupted")
"""


def _task(told: Told, code: str) -> str:
    return f"```python{_TELL.format(fifo=str(told.path))}{code}```"


@contextlib.asynccontextmanager
async def _executor(folder: Path) -> AsyncGenerator[JupyterCodeExecutor]:
    with warnings.catch_warnings(action="ignore"):
        async with JupyterCodeExecutor(output_dir=folder) as executor:
            yield executor


def _team(executor: JupyterCodeExecutor) -> RoundRobinGroupChat:
    agent = CodeExecutorAgent("coder", executor, supported_languages=["python"])
    return RoundRobinGroupChat([agent], max_turns=1)


async def _evaluate(executor: JupyterCodeExecutor, code: str) -> str:
    block = CodeBlock(code=code, language="python")
    return (await executor.execute_code_blocks([block], CancellationToken())).output


@pytest.mark.parametrize("way", ["sup.stop", "task.cancel"])
async def test_code_is_interrupted(tmp_path: Path, way: str) -> None:
    """The kernel is idle when the run has settled, keeps its variables, and runs no code again."""
    async with listening(tmp_path) as told, _executor(tmp_path) as executor:
        team = _team(executor)
        task = _task(told, _SLEEPER)
        result = await stop(team, told.until("started"), way, task=task, within=1.8)
        await told.until("interrupted")
        assert result is None or words(result)[1:] == [INTERRUPTED]
        assert await _evaluate(executor, "remembered + 1") == "42"
        assert INTERRUPTED not in words(await run_again(team, None))
        assert told.started == 1


async def test_a_kernel_that_refuses_is_ended_at_abandon(tmp_path: Path) -> None:
    """A kernel that refuses is ended at ABANDON, and can be started again."""
    async with listening(tmp_path) as told, _executor(tmp_path) as executor:
        ladder = Ladder(cancel=0.5, abandon=10)
        started = told.until("started")
        await stop(
            _team(executor),
            started,
            "sup.stop",
            task=_task(told, _REFUSER),
            ladder=ladder,
            within=10,
        )
        await told.until("interrupted")
        with pytest.raises(RuntimeError, match="must be started"):
            await _evaluate(executor, "1")
        await executor.start()
        assert await _evaluate(executor, "'remembered' in globals()") == "False"

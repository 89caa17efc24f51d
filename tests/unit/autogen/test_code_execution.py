"""Code that an agent has given to its executor, as a run is stopped; kernels that run it."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from autogen_core import CancellationToken
from autogen_core.code_executor import CodeBlock, CodeResult

from supervisor._autogen import upstream
from supervisor._autogen.code_execution import INTERRUPTED, begun_by
from supervisor._autogen.kernels import Kernel
from supervisor._reports.log import reporter
from supervisor.testing import ScriptedAgent, ScriptedModel
from tests.unit.autogen.checkpoints.executors import Noting, executing
from tests.unit.autogen.checks import contents
from tests.unit.autogen.stops import Moment, go_on, stopped
from tests.unit.testing.teams import Stored, round_robin

CODE = "```python\n1\n```"


class Waiting(Noting):
    """An executor that waits at a moment."""

    def __init__(self, moment: Moment) -> None:
        super().__init__([])
        self.moment = moment

    async def execute_code_blocks(
        self, code_blocks: list[CodeBlock], cancellation_token: CancellationToken
    ) -> CodeResult:
        """Wait, and note."""
        await self.moment.wait()
        return await super().execute_code_blocks(code_blocks, cancellation_token)


@pytest.mark.one_loop
async def test_code_of_an_agent_that_remembers_elsewhere() -> None:
    """Its context gets the output that says that the code was interrupted, and no second run."""
    moment, context = Moment(), Stored()
    model = ScriptedModel([CODE, "It was interrupted."])
    agent = executing("ann", Waiting(moment), model)
    agent._model_context = context
    team = round_robin(agent, turns=1)
    await stopped(team, moment)
    assert (await context.get_messages())[-1].content == INTERRUPTED
    assert contents(await go_on(team))[-1] == "It was interrupted."


@pytest.mark.one_loop
async def test_code_of_an_agent_of_the_user_s() -> None:
    """A turn in which a user's agent has executed code is kept, and nothing is added to it."""
    moment = Moment()
    executor = Waiting(moment)

    async def turn(*_: Any) -> str:
        block = CodeBlock(code="1", language="python")
        return (await executor.execute_code_blocks([block], CancellationToken())).output

    team = round_robin(ScriptedAgent("ann", turn), turns=1)
    result = await stopped(team, moment)
    assert contents(result) == ["go"]
    assert contents(await go_on(team)) == ["42"]


async def test_a_method_of_that_name_need_not_be_an_executor_s() -> None:
    """What is no executor executes no code."""

    class Other:
        async def execute_code_blocks(self) -> None:
            await asyncio.Event().wait()

    task = asyncio.create_task(Other().execute_code_blocks())
    await asyncio.sleep(0)
    assert begun_by(task) is None
    task.cancel()
    await asyncio.wait([task])


class _Client:
    """The client of a kernel that cannot be interrupted."""

    def __init__(self) -> None:
        self.nb = SimpleNamespace(cells=[])
        self.km = self
        self.cleaned = 0

    async def interrupt_kernel(self) -> None:
        """Fail."""
        raise OSError("no such process")

    async def _async_cleanup_kernel(self) -> None:
        self.cleaned += 1


async def test_a_kernel_that_cannot_be_interrupted_is_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing waits for it."""
    pytest.importorskip("jupyter_core")
    ended = asyncio.Event()
    with caplog.at_level(logging.WARNING, "supervisor"):
        kernel = Kernel(object(), _Client(), ended.set)
        await ended.wait()
        await asyncio.to_thread(reporter.flush, 5)
    assert not kernel.is_ending
    assert "no such process" in caplog.text


async def test_a_kernel_is_interrupted_again_while_its_code_runs() -> None:
    """A further stop interrupts code that has begun once more; once it has ended, none does."""
    pytest.importorskip("jupyter_core")
    answers, ended = asyncio.Event(), asyncio.Event()
    interrupts = asyncio.Queue[None]()

    async def kernel_info(*, reply: bool) -> None:
        assert reply
        await answers.wait()

    cell = SimpleNamespace(metadata={"execution": {"iopub.execute_input": "now"}})
    client = SimpleNamespace(nb=SimpleNamespace(cells=[cell]))
    client.km = SimpleNamespace(interrupt_kernel=lambda: interrupts.put_nowait(None))
    client.kc = SimpleNamespace(kernel_info=kernel_info)
    kernel = Kernel(object(), client, ended.set)
    await interrupts.get()
    kernel.interrupt_again()
    await interrupts.get()
    answers.set()
    await ended.wait()
    kernel.interrupt_again()
    kernel.shut_down()
    await asyncio.sleep(0)
    assert not kernel.is_ending
    assert client.nb.cells == []
    assert interrupts.empty()


async def test_a_kernel_is_held_while_any_run_holds_it() -> None:
    """A team's next run begins before the one before has ended: a signal kills no kernel of it."""
    client: Any = _Client()

    async def on_signal() -> None:
        await client._async_cleanup_kernel()

    first, second = upstream.hold_kernel(client), upstream.hold_kernel(client)
    first()
    await on_signal()
    assert client.cleaned == 0
    await client._async_cleanup_kernel()
    assert client.cleaned == 1
    second()
    await on_signal()
    assert client.cleaned == 2
    assert "_async_cleanup_kernel" not in vars(client)

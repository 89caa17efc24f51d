"""Agents that let code run, and the executors that run it."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, NamedTuple

from autogen_agentchat.agents import CodeExecutorAgent
from autogen_core import CancellationToken
from autogen_core.code_executor import CodeResult


class CodeAgent(NamedTuple):
    """An agent at its turn.

    Args:
        agent: The agent.
        attempt: Which of its attempts it is at, from 0.
        has_executed: Whether code has ended in its turn.
    """

    agent: CodeExecutorAgent
    attempt: int
    has_executed: bool


def code_agent(frame: FrameType) -> CodeAgent | None:
    """Return the agent whose generator runs in a frame; None where no agent's does."""
    if frame.f_code is not CodeExecutorAgent.on_messages_stream.__code__:
        return None
    names = frame.f_locals
    has_executed = names.get("execution_result") is not None
    return CodeAgent(names["self"], names.get("nth_try", 0), has_executed)


def has_model(agent: CodeExecutorAgent) -> bool:
    """Return whether an agent has a model, which writes the code and reads its output."""
    return agent._model_client is not None


async def code_output(agent: CodeExecutorAgent, result: CodeResult) -> CodeResult:
    """Return the result of code as an agent gives it to its model; it words some outputs anew."""

    class Executed:
        _approval_func = None

        class _code_executor:  # noqa: N801 - AutoGen's name
            @staticmethod
            async def execute_code_blocks(*_: Any, **__: Any) -> CodeResult:
                return CodeResult(exit_code=result.exit_code, output=result.output)

    stub: Any = Executed
    return await type(agent).execute_code_block(stub, [], CancellationToken())


# By name, for the module is an extra that need not be installed.
_JUPYTER: Final = "autogen_ext.code_executors.jupyter._jupyter_code_executor"
_CLEAN_UP: Final = "_async_cleanup_kernel"


def kernel_client(executor: Any) -> Any | None:
    """Return the client of a Jupyter executor's kernel, while it has one."""
    module: Any = sys.modules.get(_JUPYTER)
    if module is None or not isinstance(executor, module.JupyterCodeExecutor):
        return None
    client: Any = executor._client
    return client


def has_kernels() -> bool:
    """Return whether there can be a Jupyter executor in the process."""
    return _JUPYTER in sys.modules


def newest_cell(client: Any) -> Any | None:
    """Return the cell that a kernel was given last, and has not finished."""
    cells = client.nb.cells
    return cells[-1] if cells else None


def is_begun(cell: Any) -> bool:
    """Return whether the kernel has reported that it runs a cell."""
    return "iopub.execute_input" in cell.metadata.get("execution", {})


def forget_cell(client: Any, cell: Any) -> None:
    """Drop a cell that the executor has left behind, for it was cancelled."""
    client.nb.cells[:] = [other for other in client.nb.cells if other is not cell]


def hold_kernel(client: Any) -> Callable[[], None]:
    """Prevent nbclient from killing a kernel when a signal comes.

    It kills the kernel at the first SIGINT or SIGTERM, by a handler of its own on the loop: in the
    midst of a turn that may finish, and so that its executor cannot be stopped any more. Several
    runs may do so: a run of a team begins before the one before it has ended.

    Returns:
        A function that ends this.
    """
    attributes: dict[str, Any] = client.__dict__
    hold = attributes.setdefault(_CLEAN_UP, _Hold(client._async_cleanup_kernel))
    hold.runs += 1

    def let_go() -> None:
        hold.runs -= 1
        if not hold.runs:
            del attributes[_CLEAN_UP]

    return let_go


class _Hold:
    """In the place of the method that kills a kernel: does so unless a signal asks for it.

    Args:
        clean_up: The client's own method.
    """

    def __init__(self, clean_up: Callable[[], Any]) -> None:
        self._clean_up = clean_up
        self.runs = 0
        """How many runs hold the kernel."""

    def __call__(self) -> Any:
        by = sys._getframe(1).f_code.co_name
        return asyncio.sleep(0) if by == "on_signal" else self._clean_up()


async def interrupt_kernel(client: Any) -> None:
    """Interrupt a kernel, in the way that its kind wants."""
    from jupyter_core.utils import ensure_async

    await ensure_async(client.km.interrupt_kernel())


async def until_idle(client: Any) -> None:
    """Wait until a kernel answers, as it does once its code has ended."""
    from jupyter_core.utils import ensure_async

    await ensure_async(client.kc.kernel_info(reply=True))


async def end_kernel(executor: Any) -> None:
    """Kill a kernel, and let its executor forget it, so that it can be started again."""
    from jupyter_core.utils import ensure_async

    await ensure_async(executor._client.km.shutdown_kernel(now=True))
    await executor.stop()

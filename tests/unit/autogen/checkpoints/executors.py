"""An executor that executes nothing, and notes what it was given."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from autogen_agentchat import agents
from autogen_agentchat.agents import CodeExecutorAgent
from autogen_core import CancellationToken
from autogen_core.code_executor import CodeBlock, CodeExecutor, CodeResult

from supervisor import current_call
from supervisor.testing import ScriptedModel
from supervisor.types import ToolCall


class Noting(CodeExecutor):
    """Notes each block as "called code", and by which call it was executed.

    Args:
        order: What the notes are added to.
    """

    def __init__(self, order: list[str]) -> None:
        self._order = order
        self.seen: list[ToolCall | None] = []

    async def execute_code_blocks(
        self, code_blocks: list[CodeBlock], cancellation_token: CancellationToken
    ) -> CodeResult:
        """Note the blocks."""
        self._note(code_blocks)
        return CodeResult(exit_code=0, output="42")

    def _note(self, code_blocks: Sequence[CodeBlock]) -> None:
        self._order.append(f"called {code_blocks[0].language}")
        self.seen.append(current_call())

    async def start(self) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""

    async def restart(self) -> None:
        """Do nothing."""


def executing(
    name: str, executor: CodeExecutor, model: ScriptedModel | None = None
) -> CodeExecutorAgent:
    """Return an agent that executes all code without asking."""
    # AutoGen asks for an approval since 0.7.2.
    can_ask = "approval_func" in inspect.signature(CodeExecutorAgent).parameters
    asking: dict[str, Any] = {"approval_func": _approve} if can_ask else {}
    return CodeExecutorAgent(name, executor, model_client=model, **asking)


def _approve(_request: object) -> agents.ApprovalResponse:
    return agents.ApprovalResponse(approved=True, reason="a test")

"""Tools whose calls a test can stop, and what an agent remembers of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autogen_agentchat.agents import (
    AssistantAgent,
)
from autogen_core.models import (
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
)

from supervisor.testing import ScriptedModel
from tests.unit.autogen.stops import Moment


def context_of(agent: AssistantAgent) -> list[LLMMessage]:
    """Return what an agent remembers."""
    messages: list[LLMMessage] = agent.model_context._messages
    return messages


def results(messages: Sequence[LLMMessage]) -> list[FunctionExecutionResult]:
    """Return the results of tools among these messages."""
    found = [m for m in messages if isinstance(m, FunctionExecutionResultMessage)]
    return [result for message in found for result in message.content]


class Tools:
    """Tools that write down their calls; `slow` waits at a moment."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.moment = Moment()

    async def quick(self) -> str:
        """Answer at once."""
        self.called.append("quick")
        return "quick done"

    async def slow(self) -> str:
        """Answer when let go."""
        self.called.append("slow")
        await self.moment.wait()
        return "slow done"

    def agent(self, *script: Any, **options: Any) -> AssistantAgent:
        """Make an agent that follows a script, and has these tools."""
        return AssistantAgent(
            "ann", ScriptedModel(script), tools=[self.quick, self.slow], **options
        )

"""Stopping a team between two turns: its current turn is finished, and no other begins."""

from __future__ import annotations

from collections.abc import Sequence

from autogen_agentchat.base import TerminationCondition
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, StopMessage


class TurnBoundary(TerminationCondition):
    """A termination condition around the team's own, which ends the team after this turn.

    AutoGen asks the condition once a turn is delivered, and then ends the run as it ends any: with
    a normal `TaskResult`, counters and conditions reset. The team's own condition is asked first,
    so that it counts the turn, and where it would have ended the team its reason is kept.

    `ExternalTermination` would do the same, but its reason says that somebody else did it.

    Args:
        found: The team's own condition.
        reason: The `stop_reason` of the run.
    """

    def __init__(self, found: TerminationCondition | None, reason: str) -> None:
        self._found = found
        self._reason = reason

    @property
    def terminated(self) -> bool:
        """Whether the team's own condition has ended it before."""
        return self._found is not None and self._found.terminated

    async def __call__(
        self, messages: Sequence[BaseAgentEvent | BaseChatMessage]
    ) -> StopMessage | None:
        """Ask the team's own condition; where that lets it go on, end it."""
        stop = await self._found(messages) if self._found is not None else None
        return stop or StopMessage(content=self._reason, source="supervisor")

    async def reset(self) -> None:
        """Reset the team's own condition."""
        if self._found is not None:
            await self._found.reset()

"""MagenticOne's orchestrator: what it knows of its task, and how it goes on."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from autogen_agentchat.teams._group_chat._events import GroupChatRequestPublish
from autogen_agentchat.teams._group_chat._magentic_one._magentic_one_orchestrator import (
    MagenticOneOrchestrator,
)
from autogen_core import CancellationToken, DefaultTopicId

from supervisor._autogen.upstream.teams import ChatItem

Ledger = dict[str, str | int]

_LEDGER: Final = ("_task", "_facts", "_plan", "_n_rounds", "_n_stalls")


class Orchestrator:
    """The orchestrator of one team.

    Args:
        manager: MagenticOne's manager.
    """

    def __init__(self, manager: MagenticOneOrchestrator) -> None:
        self._manager = manager

    def ledger(self) -> Ledger:
        """Return what it knows of its task and its progress."""
        return {name: getattr(self._manager, name) for name in _LEDGER}

    def put_ledger(self, ledger: Ledger) -> None:
        """Let it go on by that."""
        for name in _LEDGER:
            setattr(self._manager, name, ledger[name])

    def reset_counts(self) -> None:
        """Count rounds and stalls from zero."""
        self._manager._n_rounds = self._manager._n_stalls = 0

    async def resume(
        self,
        token: CancellationToken,
        *,
        is_replanning: bool,
        asked: Sequence[str] = (),
        unheard: Sequence[ChatItem] = (),
    ) -> None:
        """Go on; in the handler of a run's start.

        Args:
            token: The token of the run.
            is_replanning: Whether it was making its plan anew.
            asked: Whom it has asked: they are asked again, and it takes no step of its own.
            unheard: An answer about which its condition was not asked yet.
        """
        if asked:
            for name in asked:
                await self._ask(name, token)
        elif unheard and await self._manager._apply_termination_condition(unheard):
            return
        elif is_replanning:
            await self._manager._reenter_outer_loop(token)
        else:
            await self._manager._orchestrate_step(token)

    async def _ask(self, name: str, token: CancellationToken) -> None:
        topic = DefaultTopicId(self._manager._participant_name_to_topic_type[name])
        request = GroupChatRequestPublish()
        await self._manager.publish_message(request, topic, cancellation_token=token)
        await self._manager._log_speaker_selection([name])

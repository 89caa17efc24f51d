"""A team's termination condition, asked again about what was said before an interruption."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Final

from autogen_agentchat.base import (
    AndTerminationCondition,
    OrTerminationCondition,
    TerminationCondition,
)
from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager

from supervisor._autogen.repair_thread import drive_sync
from supervisor._autogen.upstream.teams import ChatItem

_ASK: Final = "_apply_termination_condition"


def whole_turn(unfinished: Sequence[ChatItem], said: Sequence[ChatItem]) -> list[ChatItem]:
    """Return what was said in a turn before an interruption and after it, each message once."""
    ids = {item.id for item in said}
    return [*(item for item in unfinished if item.id not in ids), *said]


class Termination:
    """The termination condition of a team, and the number of turns that go with it.

    Args:
        manager: The team's manager.
    """

    def __init__(self, manager: BaseGroupChatManager) -> None:
        self._manager = manager

    @property
    def condition(self) -> TerminationCondition | None:
        """The team's termination condition."""
        return self._manager._termination_condition

    def ask_later(self, unfinished: Sequence[ChatItem]) -> None:
        """Let the manager ask about a turn with what was said in it before an interruption.

        Args:
            unfinished: What was said then; nothing takes an earlier call back.
        """
        overrides = vars(self._manager)
        overrides.pop(_ASK, None)
        if unfinished:
            first = self._manager._message_thread[:1]
            overrides[_ASK] = functools.partial(self._ask_about_whole, unfinished, first)

    async def _ask_about_whole(
        self,
        unfinished: Sequence[ChatItem],
        first: Sequence[ChatItem],
        said: Sequence[ChatItem],
        increment_turn_count: bool = False,  # noqa: FBT001, FBT002 - as AutoGen's
    ) -> bool:
        self.ask_later(())
        # Not in another conversation: the run may have been cancelled, and the team reset.
        is_same = list(map(id, self._manager._message_thread[:1])) == list(map(id, first))
        whole = whole_turn(unfinished, said) if is_same else said
        return await self._manager._apply_termination_condition(whole, increment_turn_count)

    async def ends_with(self, said: Sequence[ChatItem]) -> bool:
        """Let the manager ask its condition about a turn; return whether it has ended the team."""
        return await self._manager._apply_termination_condition(said, increment_turn_count=True)

    def recount(
        self,
        turns: int,
        deltas: Sequence[Sequence[ChatItem]],
        put_condition: Callable[[TerminationCondition], None] | None = None,
    ) -> None:
        """Let a resumed team count earlier turns, and its condition what was said in them.

        A delta that would end the team now is left out, for the team has gone on after it: a
        condition of the user's may answer by more than what was said.

        Args:
            turns: The number of earlier turns.
            deltas: What was said in them.
            put_condition: Brings the condition to where it stood before; None resets it.
        """
        self._manager._current_turn = turns
        left = [delta for delta in deltas if delta]
        while (ending := self._first_ending(left, put_condition)) is not None:
            del left[ending]

    def _first_ending(
        self,
        deltas: Sequence[Sequence[ChatItem]],
        put_condition: Callable[[TerminationCondition], None] | None,
    ) -> int | None:
        """Ask the condition with each delta; return the place of the one that ends the team."""
        self._reset()
        if put_condition is not None and self.condition is not None:
            put_condition(self.condition)
        places = range(len(deltas))
        return next((place for place in places if self._ends(deltas[place])), None)

    def would_end(
        self,
        turns: int,
        deltas: Sequence[Sequence[ChatItem]],
        put_condition: Callable[[TerminationCondition], None] | None = None,
    ) -> bool:
        """Return whether the condition ends the team with the last of the deltas.

        Args:
            turns: The number of turns, with the last one.
            deltas: What the condition is asked with: the task, and what was said in each turn.
            put_condition: Brings the condition to where it stood before; None resets it.
        """
        self.recount(turns, deltas[:-1], put_condition)
        return bool(deltas) and self._ends(deltas[-1])

    def _ends(self, delta: Sequence[ChatItem]) -> bool:
        return self.condition is not None and bool(delta) and _ask(self.condition, delta)

    def _reset(self) -> None:
        if self.condition is not None:
            with contextlib.suppress(Exception):  # a user's: its failure is logged at the end
                drive_sync(self.condition.reset())


def _ask(condition: TerminationCondition, said: Sequence[ChatItem]) -> bool:
    """Return whether a condition ends its team; false for one that waits before it answers."""
    if isinstance(condition, (AndTerminationCondition, OrTerminationCondition)):
        # Each by itself, for together they are asked in tasks.
        ended = [part.terminated or _ask(part, said) for part in condition._conditions]
        return all(ended) if isinstance(condition, AndTerminationCondition) else any(ended)
    try:
        return drive_sync(condition(said)) is not None
    except Exception:  # noqa: BLE001 - a user's: the run that asks it next will meet that again
        return False

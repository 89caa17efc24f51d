"""A check that the results of a team's runs contain exactly the messages of the team."""

from __future__ import annotations

from collections.abc import Sequence

from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)
from autogen_agentchat.teams import BaseGroupChat

from supervisor._autogen.upstream.snapshot import thread

Item = BaseAgentEvent | BaseChatMessage


class Agreement:
    """Compares, after each run of a team, its result with the team's messages.

    Each message of a run is in the result of that run, in the same order. No message is in two
    results. Each tool call in a result has its answer there.

    Args:
        thing: The team, before its first run. Nothing is compared if it is not a group chat.
    """

    def __init__(self, thing: object) -> None:
        self._seen: set[str] = set()
        self._held = _ids(thing)

    def check(self, thing: object, result: TaskResult | None) -> None:
        """Compare a run that has ended.

        Args:
            thing: The team.
            result: The run's.

        Raises:
            AssertionError: They do not agree.
        """
        assert result is not None, "a run that has ended has no result"
        shown = [item.id for item in result.messages]
        # After a stop, a society and its team may get messages of its members a second time.
        known = self._held | self._seen
        new = [item for item in _thread(thing) if item.id not in known]
        _check_whole(new, shown)
        _check_order([item.id for item in new], shown)
        for item in result.messages:
            assert item.id not in self._seen, f"in the results twice: {_told([item])}"
            self._seen.add(item.id)
        _check_answers(result.messages)
        self._held = _ids(thing)


def _ids(thing: object) -> set[str]:
    return {item.id for item in _thread(thing)}


def _thread(thing: object) -> list[Item]:
    return thread(thing) if isinstance(thing, BaseGroupChat) else []


def _check_whole(new: list[Item], shown: list[str]) -> None:
    missing = [item for item in new if item.id not in shown]
    assert not missing, f"the team holds what is not in the run's result: {_told(missing)}"


def _check_order(new: list[str], shown: list[str]) -> None:
    both = [id_ for id_ in shown if id_ in new]
    assert both == new, f"the result has another order than the team: {both}, {new}"


def _check_answers(messages: Sequence[Item]) -> None:
    answered = {
        (item.source, result.call_id)
        for item in messages
        if isinstance(item, ToolCallExecutionEvent)
        for result in item.content
    }
    for item in messages:
        if isinstance(item, ToolCallRequestEvent):
            open_ = [call.id for call in item.content if (item.source, call.id) not in answered]
            assert not open_, f"calls of {item.source} without an answer in the result: {open_}"


def _told(items: Sequence[Item]) -> str:
    return ", ".join(f"{type(m).__name__} of {m.source}: {m.to_text()!r}" for m in items)

"""The result of a run: what was shown of it, in agreement with what its team holds.

AutoGen's events take some steps from an agent to the reader: through the runtime's queue, the
manager, the team's output queue, the driver. A stop comes between any two of these, while the team
counts an answer as given from the first of them on. So a result is not what has arrived by chance:
it is what was shown, brought into agreement with the thread of the outermost team. What is in both
is in the thread's order. What only was shown keeps its place: events of a turn that was undone, or
of one that goes on.

Not chosen: to read AutoGen's queues to their end as the run stops. What a handler has taken out of
one, and has not put into the next, would be missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from autogen_agentchat.messages import ToolCallExecutionEvent, ToolCallRequestEvent
from autogen_core import FunctionCall
from autogen_core.models import FunctionExecutionResult

from supervisor._autogen.channel import Item
from supervisor._autogen.history.tool_calls import interrupted


@dataclass
class Remains:
    """What turns that were kept open leave behind, and no team's thread holds."""

    events: list[Item] = field(default_factory=list[Item])
    """What was said in the course of them."""
    closed: list[tuple[FunctionCall, FunctionExecutionResult]] = field(
        default_factory=list[tuple[FunctionCall, FunctionExecutionResult]]
    )
    """Their open calls, each with the result that it was closed with."""

    def add(self, other: Remains) -> None:
        """Take in what is left of a turn, or of a team, within this one."""
        self.events.extend(other.events)
        self.closed.extend(other.closed)


def agreed(shown: Iterable[Item], held: Sequence[Item]) -> list[Item]:
    """All that was shown and all that the team holds, each once.

    Args:
        shown: In the order in which it was shown.
        held: In the order of the team's thread.

    Returns:
        What is held in its order; what was only shown before what was shown after it.
    """
    places = {item.id: place for place, item in enumerate(held)}
    found: list[Item] = []
    done = 0
    for item in shown:
        place = places.get(item.id)
        if place is None:
            found.append(item)
        elif place >= done:
            found.extend(held[done : place + 1])
            done = place + 1
    return [*found, *held[done:]]


def with_new(items: list[Item], others: Iterable[Item]) -> list[Item]:
    """These items, and behind them those of the others that are not among them."""
    known = {item.id for item in items}
    return [*items, *(item for item in others if item.id not in known)]


def without(items: Iterable[Item], others: Iterable[Item]) -> list[Item]:
    """Those of these items that are not among the others."""
    known = {item.id for item in others}
    return [item for item in items if item.id not in known]


def answered(items: Sequence[Item], held: Sequence[Item], remains: Remains) -> list[Item]:
    """These items, with an answer behind each request for tool calls that has none.

    Args:
        items: What was shown and what is held.
        held: What is part of a turn that was finished: its agent has left nothing open.
        remains: What the open calls were closed with.
    """
    finished = {item.id for item in held}
    found = list(items)
    answers: dict[str, set[str]] = {}  # behind the place, by whom: the ids of the calls
    for place in reversed(range(len(items))):
        item = items[place]
        if isinstance(item, ToolCallExecutionEvent):
            ids = {result.call_id for result in item.content}
            answers.setdefault(item.source, set()).update(ids)
        elif isinstance(item, ToolCallRequestEvent):
            have = answers.pop(item.source, set[str]())
            results = [_result(call, remains) for call in item.content if call.id not in have]
            if results and item.id not in finished:
                answer = ToolCallExecutionEvent(source=item.source, content=results)
                found.insert(place + 1, answer)
    return found


def _result(wanted: FunctionCall, remains: Remains) -> FunctionExecutionResult:
    for call, result in remains.closed:
        if call is wanted or call == wanted:
            return result
    return interrupted(wanted, has_begun=False)  # its turn was undone, or it was taken back

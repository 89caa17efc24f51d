"""The result of a run: what was shown of it, merged with what its team holds.

AutoGen's events take some steps from an agent to the reader: through the runtime's queue, the
manager, the team's output queue, the driver. A stop comes between any two of these, while the team
counts an answer as given from the first of them on. So a result is not what has arrived by chance:
it is what was shown, merged with the thread of the outermost team. Items that are in both are in
the thread's order. Items that were only shown keep their places: they are events of a turn that was
undone, or of one that goes on.

Not chosen: to read AutoGen's queues to their end as the run stops. An item that a handler has taken
out of one, and has not put into the next, would be missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from autogen_agentchat.messages import ToolCallExecutionEvent, ToolCallRequestEvent
from autogen_core import FunctionCall
from autogen_core.models import FunctionExecutionResult

from supervisor._autogen.history.tool_calls import interrupted
from supervisor._autogen.messages import Item


@dataclass
class Remains:
    """What is left of turns that were kept open, and stands in no team's thread."""

    events: list[Item] = field(default_factory=list[Item])
    """What was said in these turns."""
    closed: list[tuple[FunctionCall, FunctionExecutionResult]] = field(
        default_factory=list[tuple[FunctionCall, FunctionExecutionResult]]
    )
    """Their open calls, each with the result that it was closed with."""

    def add(self, other: Remains) -> None:
        """Add what is left of a turn, or of a team, within this one."""
        self.events.extend(other.events)
        self.closed.extend(other.closed)


def merged(shown: Iterable[Item], held: Sequence[Item]) -> list[Item]:
    """Merge what was shown with what the team holds, each item once.

    Args:
        shown: In the order in which it was shown.
        held: In the order of the team's thread.

    Returns:
        The held items in their order; an item that was only shown before those shown after it.
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
    """Return these items, and behind them those of the others that are not among them."""
    known = {item.id for item in items}
    return [*items, *(item for item in others if item.id not in known)]


def without(items: Iterable[Item], others: Iterable[Item]) -> list[Item]:
    """Return those of these items that are not among the others."""
    known = {item.id for item in others}
    return [item for item in items if item.id not in known]


def with_answers(items: Sequence[Item], held: Sequence[Item], remains: Remains) -> list[Item]:
    """Insert an answer behind each request for tool calls that has none.

    Args:
        items: What was shown, and what the team holds.
        held: What the team holds: parts of finished turns, whose agents have left nothing open.
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

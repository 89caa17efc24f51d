"""A run that was read and put into its team: what is left to do before it goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autogen_agentchat.messages import SelectorEvent, SelectSpeakerEvent

from supervisor._autogen import results
from supervisor._autogen.messages import Item
from supervisor._autogen.results import Remains


@dataclass
class Restored:
    """A run that was read and put into its team.

    Args:
        turn: How many turns are finished.
        has_taken_task: Whether the team has the task, and goes on without.
    """

    turn: int
    has_taken_task: bool = False
    shown: list[Item] = field(default_factory=list[Item])
    """What earlier processes have shown, merged with what the team holds."""
    held: list[Item] = field(default_factory=list[Item])
    """What the outermost team holds of it."""
    task: Sequence[Item] = ()
    """The messages of the task, where the team has it."""
    remains: Remains = field(default_factory=Remains)
    """What is left of turns that are kept open."""
    written: dict[str, Sequence[object]] = field(default_factory=dict[str, Sequence[object]])
    """The logs that are in the team as they were read."""
    states: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What was written whole."""
    rest: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The small part of what was written."""
    stop_reason: str | None = None
    """Why the run has ended by itself."""
    has_ended: bool = False
    """Whether it has."""

    def output(self) -> list[Item]:
        """Return the messages of the run so far; once the open calls were made again."""
        items = results.with_new(self.shown, self.remains.events)
        return results.with_answers(items, self.held, self.remains)

    def logs(self) -> Iterator[tuple[str, Sequence[object]]]:
        """Yield the logs that a store holds already, with the objects that stand for them."""
        yield from self.written.items()


def without_team_events(items: Sequence[Item]) -> list[Item]:
    """Return what was shown without the selection at its end, which is shown again."""
    end = len(items)
    while end and isinstance(items[end - 1], (SelectSpeakerEvent, SelectorEvent)):
        end -= 1
    return list(items[:end])

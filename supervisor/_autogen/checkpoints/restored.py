"""A run that was read and put into its team: what is left to do before it goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autogen_agentchat.messages import (
    SelectorEvent,
    SelectSpeakerEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)

from supervisor._autogen import results
from supervisor._autogen.history.openings import openings_of, put_openings
from supervisor._autogen.history.resume import EarlierRun
from supervisor._autogen.messages import Item
from supervisor._autogen.results import Remains
from supervisor._autogen.upstream import Group


@dataclass(frozen=True)
class Opening:
    """What was said in a turn that a member of a team goes on with.

    Args:
        group: The team.
        member: The member's name.
        said: What was said.
        within: The runs of inner teams that this is part of.
    """

    group: Group
    member: str
    said: Sequence[Item]
    within: Sequence[EarlierRun]

    def put(self, output: Sequence[Item], remains: Remains) -> None:
        """Let the member's answer begin with it.

        Args:
            output: The messages of the run so far, with the answers to calls that were open.
            remains: What these were closed with. A call that is not among them was taken back.
        """
        closed = {call.id for call, _ in remains.closed}
        ids = {item.id for item in self.said}
        found = list[Item]()
        for place, item in enumerate(output):
            if item.id in ids:
                found.append(item)
            elif place and _is_answer(item, output[place - 1], ids):
                if closed.intersection(_calls_of(item)):
                    found.append(item)
                else:
                    found.pop()
        openings = openings_of(self.group)
        whole = results.with_new(openings.get(self.member, []), found)
        put_openings(self.group, {**openings, self.member: whole})
        for earlier in self.within:
            earlier.add_said(found)


def _is_answer(item: Item, before: Item, ids: set[str]) -> bool:
    """Return whether an item closes the calls of a request before it, one of these."""
    is_request = isinstance(before, ToolCallRequestEvent) and before.id in ids
    return is_request and isinstance(item, ToolCallExecutionEvent) and item.source == before.source


def _calls_of(item: Item) -> set[str]:
    assert isinstance(item, ToolCallExecutionEvent)
    return {result.call_id for result in item.content}


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
    openings: list[Opening] = field(default_factory=list[Opening])
    """What was said in these turns, for the answers in which they end."""
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

    def put_openings(self, output: Sequence[Item]) -> None:
        """Let the turns that are kept open end in answers that have all that was said in them.

        Args:
            output: What `output` has returned.
        """
        for opening in self.openings:
            opening.put(output, self.remains)

    def logs(self) -> Iterator[tuple[str, Sequence[object]]]:
        """Yield the logs that a store holds already, with the objects that stand for them."""
        yield from self.written.items()


def members_in(team: str, within: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the members of a team that are teams, and whose runs go on."""
    return [name for name in _members(within) if _parent(name) == team and name != team]


def _members(within: Sequence[Mapping[str, Any]]) -> list[str]:
    return [data["team"] for data in within if data["agent"] == data["team"]]


def _parent(name: str) -> str:
    return name.rpartition("/")[0]


def openings_in(
    said: Iterable[tuple[str, str, Sequence[Item]]],
    groups: Mapping[str, Group],
    within: Sequence[Mapping[str, Any]],
    earlier: Mapping[str, EarlierRun],
) -> list[Opening]:
    """Return what was said in turns that members go on with.

    Args:
        said: The names of a team and of a member of it, and what the member has said.
        groups: The teams, by their names.
        within: What was written of the runs that go on within a turn.
        earlier: These runs, by the names of their teams.
    """
    members = _members(within)
    found = list[Opening]()
    for team, member, items in said:
        names = [team]
        while names[-1] in members:  # what is said in a member is said in the team around it
            names.append(_parent(names[-1]))
        runs = [earlier[name] for name in names if name in earlier]
        found.append(Opening(groups[team], member, items, runs))
    return found


def without_team_events(items: Sequence[Item]) -> list[Item]:
    """Return what was shown without the selection at its end, which is shown again."""
    end = len(items)
    while end and isinstance(items[end - 1], (SelectSpeakerEvent, SelectorEvent)):
        end -= 1
    return list(items[:end])

"""The turns that a run has kept open: they are repaired as after a stop, by what was recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from autogen_agentchat.agents import SocietyOfMindAgent
from autogen_agentchat.messages import BaseAgentEvent
from autogen_core.model_context import ChatCompletionContext

from supervisor._autogen import upstream
from supervisor._autogen.checkpoints.memories import log_of_context, log_of_list, own_lists
from supervisor._autogen.history.team_repair import TurnRepair
from supervisor._autogen.history.team_run import Turn
from supervisor._autogen.messages import Item
from supervisor._autogen.results import Remains
from supervisor._autogen.upstream import Group
from supervisor._autogen.walk import walk
from supervisor._checkpoints.store import CallRecord

Recall = Callable[[Turn, Sequence[CallRecord]], object]
"""Lets a turn have what was recorded in it: `ToolGate.recall`."""


class KeptTurns:
    """Carries out what was written of turns that were kept.

    Args:
        things: The components of the team, by their names.
        groups: The teams among them.
        calls: What was recorded in these turns.
        recall: Lets a turn have what was recorded in it.
    """

    def __init__(
        self,
        things: Mapping[str, Any],
        groups: Mapping[str, Group],
        calls: Sequence[CallRecord],
        recall: Recall,
    ) -> None:
        self.remains = Remains()
        """What is left of the turns that are kept."""
        self.openings: list[tuple[str, str, list[Item]]] = []
        """What was said in turns that members go on with: team, member, and what."""
        self.undone: list[Item] = []
        """What was said in turns that are undone."""
        self.changed: set[str] = set()
        """The logs that do not hold any more what was read."""
        self.has_kept_agent = False
        """Whether the turn of an agent that is run alone is kept, and it has taken its task."""
        self._things = things
        self._groups = groups
        self._records = {record.id: record for record in calls}
        self._recall = recall
        self._kept: set[int] = set()  # the id()s of agents
        self._names = {id(thing): name for name, thing in things.items()}

    def add(self, data: Mapping[str, Any], events: Sequence[Item]) -> None:
        """Keep or undo one of them.

        Args:
            data: What was written of it.
            events: What was said in it.
        """
        turn = self._restored(data, events)
        found = [self._records[id_] for id_ in data["records"] if id_ in self._records]
        self._recall(turn, found)
        repair = TurnRepair(turn)
        is_society = isinstance(turn.agent, SocietyOfMindAgent)
        is_kept = data["is_kept"] or repair.must_be_kept() or self._has_kept_within(turn.agent)
        if not (is_society or is_kept):
            repair.undo()
            self.undone.extend(events)
            return
        self._keep(data, turn, repair)

    def _has_kept_within(self, agent: object) -> bool:
        """Return whether the turn of an agent that this one holds is kept."""
        return any(id(thing) in self._kept for thing in walk(agent))

    def recall(self, data: Mapping[str, Any]) -> None:
        """Recall what was recorded in a turn that was undone before, and not redone yet."""
        found = [self._records[id_] for id_ in data["records"] if id_ in self._records]
        self._recall(Turn(self._things[data["agent"]]), found)

    def _keep(self, data: Mapping[str, Any], turn: Turn, repair: TurnRepair) -> None:
        team: str | None = data["team"]
        group = self._groups[team] if team is not None else None
        due = group.buffer(data["member"]) if group is not None else []
        given = due[: turn.given]
        # Where a list was rewritten in the turn, it is not known what it was before.
        is_known = all(log in data["starts"] for log, _ in self._lists(turn.agent))
        count = repair.count_taken(given) if is_known else len(given)
        has_taken = not is_known or repair.takes_at_its_end() or turn.has_taken_messages()
        repair.keep()
        self._kept.add(id(turn.agent))
        self.remains.add(repair.remains)
        if team is not None and data.get("goes_on"):
            self.openings.append((team, data["member"], _inner_messages(turn)))
        if group is None:
            self.has_kept_agent = has_taken
        elif not repair.takes_at_its_end():
            group.put_buffer(data["member"], due[count : turn.given], due[turn.given :])

    # -- the record of the turn -----------------------------------------------------------------

    def _restored(self, data: Mapping[str, Any], events: Sequence[Item]) -> Turn:
        """Return the record of a turn, as its process had it."""
        agent = self._things[data["agent"]]
        lists = [*self._lists(agent)]
        now = [list(items) for _, items in lists]
        for log, items in lists:
            items[data["starts"].get(log, len(items)) :] = []
        turn = Turn(agent, data["given"])  # with a savepoint of what was remembered before it
        for (log, items), all_items in zip(lists, now, strict=True):
            items[:] = all_items
            self.changed.add(log)
        turn.events = list(events)
        turn.has_executed = data["has_executed"]
        return turn

    def _lists(self, agent: object) -> Iterator[tuple[str, list[Any]]]:
        """Yield the lists that an agent remembers by, with the names of their logs."""
        for thing in walk(agent):
            name = self._names.get(id(thing))
            if name is None:
                continue
            if isinstance(thing, ChatCompletionContext):
                messages = upstream.messages_of(thing)
                if messages is not None:
                    yield log_of_context(name), messages
            else:
                yield from ((log_of_list(name, a), items) for a, items in own_lists(thing))


def _inner_messages(turn: Turn) -> list[Item]:
    """Return what an answer would have had before it, of a turn that has no answer yet."""
    if isinstance(turn.agent, SocietyOfMindAgent):  # it is told again what its team has said
        return []
    name = turn.agent.name
    return [it for it in turn.events if isinstance(it, BaseAgentEvent) or it.source != name]

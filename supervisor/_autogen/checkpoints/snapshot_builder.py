"""One snapshot: what the components of a team hold in this step, and what goes on within them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from autogen_agentchat.base import Team
from autogen_agentchat.teams import BaseGroupChat
from autogen_core.model_context import ChatCompletionContext

from supervisor._autogen import upstream
from supervisor._autogen.checkpoints.agent_states import AgentStates
from supervisor._autogen.checkpoints.logs import Cut, has_grown
from supervisor._autogen.checkpoints.memories import (
    Memories,
    contexts_of,
    log_of_context,
    log_of_list,
)
from supervisor._autogen.checkpoints.open_turns import (
    KeptTurn,
    OpenTurns,
    count_ends,
    count_waiting,
    open_turns_of,
)
from supervisor._autogen.checkpoints.paths import Kind, kind_of
from supervisor._autogen.checkpoints.team_record import TeamRecord, log_of_team, stand_ins
from supervisor._autogen.checkpoints.untouched import Untouched
from supervisor._autogen.history.resume import ResumingTeam
from supervisor._autogen.history.team_run import TeamRun, Turn, stand_ins_of
from supervisor._autogen.messages import Item
from supervisor._autogen.run_context import RunContext
from supervisor._autogen.upstream import Group
from supervisor._autogen.walk import walk


class SnapshotBuilder:
    """Builds one snapshot.

    Args:
        context: What is at work for the run.
        cut: The logs of the snapshot.
        things: The components of what is run, by their names.
        groups: The teams that are known, by their ids; it is added to.
    """

    def __init__(
        self, context: RunContext, cut: Cut, things: dict[str, Any], groups: dict[str, Group]
    ) -> None:
        self.cut = cut
        """The logs of the snapshot."""
        self.rest: dict[str, Any] = {}
        """Everything else that is small."""
        self.states: dict[str, Any] = {}
        """What is written whole."""
        self.untouched = Untouched()
        """What the program gave, and the run has not changed."""
        self._journal = context.journal
        self._things = things
        self._groups = groups
        self._open: OpenTurns = _open_turns(context)
        self._names = {id(thing): name for name, thing in things.items()}
        self._records: dict[str, TeamRecord] = {}

    def build(self, agents: AgentStates) -> None:
        """Write everything but the output."""
        self._note_acted(agents)
        memories = Memories(self.cut, agents, self._open.rewound, self.untouched.has_list)
        self.states = memories.states
        for name, thing in self._things.items():
            kind = kind_of(thing.__class__)
            is_undone = id(thing) in self._open.undone_agents
            if kind is Kind.TEAM:
                self._add_team(name, thing, memories, agents)
            elif kind is Kind.CONTEXT:
                memories.add_context(name, thing, is_undone=is_undone)
            elif kind in (Kind.AGENT, Kind.SOCIETY):
                memories.add_agent(name, thing, is_undone=is_undone)
        self.rest["within"] = [*self._going_on(), *self._waiting()]
        self.rest["turns"] = [*self._kept_turns()]
        self.rest.update(self.untouched.rest())
        self.rest["undone"] = self._open.events
        root = self._journal.root
        if root is not None:
            self.cut.add("task", root.task)
            self._add_end(root)
        self.rest["has_taken_task"] = root is not None and _has_taken(root)
        self.rest["start"] = _start_of(root) if root is not None else 0
        self.rest["teams"] = {name: record.data for name, record in self._records.items()}

    def _add_end(self, root: TeamRun) -> None:
        """Note that the team has ended: its manager, which has reset itself, does not tell."""
        reason = self._journal.stop_reason
        if reason is not None and root.is_of(self._things[""]):
            self.rest["ended"] = {"stop_reason": reason}

    def _note_acted(self, agents: AgentStates) -> None:
        """Note whose states may have changed: those of turns that are over, or written as now."""
        acted = [*self._journal.acted.values(), *(kept.turn.agent for kept in self._open.kept)]
        self._journal.acted.clear()
        if not agents.are_there:  # what was not taken yet is taken in any case
            return
        agents.note_acted({id(thing) for agent in acted for thing in walk(agent)})

    # -- the teams ------------------------------------------------------------------------------

    def _group(self, team: BaseGroupChat) -> Group | None:
        key = upstream.team_id(team)
        if key not in self._groups:
            found = upstream.group_of(team)
            if found is None:
                return None
            self._groups[key] = found
        return self._groups[key]

    def _add_team(
        self, name: str, team: BaseGroupChat, memories: Memories, agents: AgentStates
    ) -> None:
        group = self._group(team)
        if group is None:
            return
        record = self._records[name] = TeamRecord(name, group, self.cut, self.untouched)
        key, found = group.key, self._open
        run: TeamRun | None = self._journal.team_runs.get(key)
        if run is not None and not upstream.is_of_autogen(group.manager.__class__):
            self.untouched.note_manager(name, run.start.state)
        if key in found.undone:
            record.as_before(found.undone[key])
        elif key in found.going:
            record.at_work(found.going[key], is_over=False)
        elif key in found.over:
            record.at_work(found.over[key], is_over=True)
        else:
            buffers = {member: group.buffer(member) for member in group.names}
            record.at_rest(run.due if run is not None else buffers)
        for place, context in contexts_of(name, group):
            agents.note_acted({id(context)})  # a manager's, which works between the turns
            memories.add_context(place, context, is_undone=False)

    # -- runs that go on within a turn ----------------------------------------------------------

    def _going_on(self) -> Iterator[dict[str, Any]]:
        for turn, run in self._open.within:
            record = self._record_of(run.group.key)
            if record is not None:
                is_replayed = not isinstance(turn.agent, Team)
                earlier = record.put_earlier(run, is_replayed=is_replayed)
                yield {**self._place(turn.agent, run.group.key), **earlier}

    def _waiting(self) -> Iterator[dict[str, Any]]:
        """Yield the stand-ins that wait to be asked."""
        # Each once: an agent whose turn has just begun still holds the one that its turn has noted.
        waiting = {id(stand_in): (stand_in, agent) for stand_in, agent in self._stand_ins()}
        for stand_in, agent in waiting.values():
            key = upstream.team_id(cast(BaseGroupChat, stand_in.team))
            record = self._record_of(key)
            if record is not None and stand_in.earlier is not None:
                earlier = record.put_stand_in(stand_in.earlier, stand_in.said)
                yield {**self._place(agent, key), **earlier}

    def _stand_ins(self) -> Iterator[tuple[ResumingTeam, object]]:
        for group in self._groups.values():
            yield from ((stand_in, stand_in.team) for stand_in in stand_ins(group))
        for thing in self._things.values():
            if kind_of(thing.__class__) is Kind.SOCIETY:
                yield from ((stand_in, thing) for _, stand_in in stand_ins_of(thing))
        for turn in self._open.pending:
            if turn.resuming is not None:
                yield turn.resuming, turn.resuming.team
            for _, stand_in in turn.stand_ins:
                yield stand_in, turn.agent

    def _place(self, agent: object, key: str) -> dict[str, Any]:
        """Name a team that goes on, and the agent that has it; of a member, the team itself."""
        inner = self._record_of(key)
        return {"agent": self._names.get(id(agent), ""), "team": inner.name if inner else ""}

    def _record_of(self, key: str) -> TeamRecord | None:
        return next((r for r in self._records.values() if r.key == key), None)

    # -- turns that are kept --------------------------------------------------------------------

    def _kept_turns(self) -> Iterator[dict[str, Any]]:
        for kept in self._open.kept:
            name = self._names.get(id(kept.turn.agent))
            if name is not None:  # else of an agent that was made in a turn, and is so again
                yield self._kept(kept, name)

    def _kept(self, kept: KeptTurn, agent: str) -> dict[str, Any]:
        turn, record = kept.turn, self._record_of(kept.team or "")
        self.cut.add(log_of_team("events", agent), turn.events)
        return {
            "team": record.name if record is not None else None,
            "member": kept.member,
            "goes_on": kept.goes_on,
            "agent": agent,
            "given": turn.given,
            "starts": dict(self._starts(turn)),
            "records": list(turn.records),
            "has_executed": turn.has_executed,
            "is_kept": turn.has_taken_effect() or not turn.savepoint.is_whole,
        }

    def _starts(self, turn: Turn) -> Iterator[tuple[str, int]]:
        """Yield how long each log was before a turn, where it has only grown since."""
        for owner, attribute, before in turn.savepoint.remembered():
            name = self._names.get(id(owner))
            now = getattr(owner, attribute) if attribute else _messages_of(owner)
            if name is not None and has_grown(now, len(before), before[-1] if before else None):
                log = log_of_list(name, attribute) if attribute else log_of_context(name)
                yield log, len(before)


def _open_turns(context: RunContext) -> OpenTurns:
    waiting = context.queued()
    count_ends(context.journal, waiting)
    found = open_turns_of(context.journal)
    if found.kept and count_waiting(context.journal, found.kept, waiting):
        return open_turns_of(context.journal)
    return found


def _messages_of(context: object) -> list[Any]:
    return upstream.messages_of(cast(ChatCompletionContext, context)) or []


def _has_taken(run: TeamRun) -> bool:
    return run.has_progressed and (run.is_told or not run.task or run.group.restarts)


def _start_of(run: TeamRun) -> int:
    """Return from which place on the thread is that of this run."""
    thread: Sequence[Item] = run.group.thread
    held = run.start.thread
    if has_grown(thread, len(held), held[-1] if held else None):
        return len(held)
    known = set(map(id, held))
    return next((place for place, item in enumerate(thread) if id(item) not in known), len(thread))

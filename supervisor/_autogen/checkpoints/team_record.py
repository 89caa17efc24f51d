"""One team as a snapshot has it: its manager, its members' buffers, and who speaks next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from supervisor._autogen import upstream
from supervisor._autogen.checkpoints.conditions import condition_state
from supervisor._autogen.checkpoints.logs import Cut
from supervisor._autogen.checkpoints.plain import as_plain
from supervisor._autogen.checkpoints.untouched import Untouched
from supervisor._autogen.history.openings import Openings, openings_of
from supervisor._autogen.history.resume import (
    EarlierRun,
    NextSpeakers,
    ResumingTeam,
    next_speakers,
    one_shot_override,
)
from supervisor._autogen.history.team_run import Start, TeamRun
from supervisor._autogen.upstream import ChatItem, Group, ManagerState


class TeamRecord:
    """What is written of one team.

    Args:
        name: Its name among the components.
        group: Its manager and members.
        cut: The logs of the snapshot.
        untouched: What is not written.
    """

    def __init__(self, name: str, group: Group, cut: Cut, untouched: Untouched) -> None:
        self._untouched = untouched
        self.name = name
        self.key = group.key
        self._group = group
        self._cut = cut
        self.data: dict[str, Any] = {"turns": 0, "condition": None}
        """The small part of it, as JSON-able data."""

    def log(self, what: str, member: str = "") -> str:
        """Return the name of one of its logs."""
        return log_of_team(what, self.name, member)

    def at_rest(self, due: Mapping[str, Sequence[ChatItem]]) -> None:
        """Write a team that is not at work.

        Args:
            due: What each member is to be given.
        """
        self._put(self._group.thread, due, self._group.state())
        self._put_openings(openings_of(self._group))
        self._put_overrides()

    def as_before(self, start: Start) -> None:
        """Write a team as it was before a run that is undone."""
        self._put(start.thread, start.due, start.state)
        self._put_openings(start.openings)
        self._put_overrides()

    def at_work(self, run: TeamRun, *, is_over: bool) -> None:
        """Write a team as it is.

        Args:
            run: Its run.
            is_over: Whether that does not go on: it was run by a tool, whose call is closed.
        """
        if run.has_progressed and run.task and not self._group.restarts:
            run.tell_task()  # its manager has told the members before it selected one
        group, asked, selection = self._group, list(run.turns), run.selection
        is_selecting = selection.state is not None and not selection.has_answer and not asked
        state = selection.state if is_selecting else None
        self._put(group.thread, run.due, state or group.state())
        later = {n: len(run.due[n]) - turn.given for n, turn in run.turns.items()}
        self.data["later"].update({n: count for n, count in later.items() if count})
        unheard = self._unheard(run)
        self.data["unheard"] = [self._dump(said) for said in unheard]
        if not is_over:
            self._put_openings(run.transcript.openings)
            self.data["turns"] = group.turns
            self.data["condition"] = _condition_of(group)
        if group.restarts:
            self._put_orchestrator(run, asked, unheard)
        elif asked:
            self._put_speakers(asked, {}, is_first=True)
        elif is_selecting and selection.override is not None:
            self._put_override(selection.override)
        elif unheard and selection.has_answer:
            self._put_speakers([], {}, is_first=False, unasked=run.transcript.deltas[-1])

    def _unheard(self, run: TeamRun) -> list[list[ChatItem]]:
        """Return what was published and the manager has not heard."""
        said = run.transcript.unheard
        most = sum(map(len, said)) + len(run.task)
        heard = {id(item) for item in self._group.thread[-most:]} if most else set[int]()
        return [list(items) for items in said if items and id(items[-1]) not in heard]

    def _put(
        self,
        thread: Sequence[ChatItem],
        due: Mapping[str, Sequence[ChatItem]],
        state: ManagerState,
    ) -> None:
        self._cut.add(self.log("thread"), thread)
        held_back = {member: self._group.held_back(member) for member in due}
        self.data["later"] = {member: count for member, count in held_back.items() if count}
        for member, messages in due.items():
            if messages or self._cut.length(self.log("due", member)):
                self._cut.add(self.log("due", member), messages)
        self.data["state"] = self._plain(state)
        if self._group.orchestrator is not None:
            self.data["ledger"] = self._group.orchestrator.ledger()

    def _put_openings(self, openings: Openings) -> None:
        self.data["openings"] = {member: self._dump(said) for member, said in openings.items()}

    def _plain(self, state: ManagerState) -> dict[str, Any]:
        lasting = upstream.lasting(self._group.manager, state)
        return as_plain(self._untouched.changed(self.name, lasting), self._cut.dump)

    # -- who speaks next ------------------------------------------------------------------------

    def _put_overrides(self) -> None:
        """Write the overrides that are in place, of which none was carried out yet."""
        override, restart = next_speakers(self._group), one_shot_override(self._group)
        if override is not None:
            self._put_override(override)
        if restart is not None:
            self._put_restart(restart.asked, restart.unheard, is_replanning=restart.is_replanning)

    def _put_override(self, override: NextSpeakers) -> None:
        names, unasked = override.names, override.unasked
        self._put_speakers(names, override.then, is_first=False, unasked=unasked)

    def _put_speakers(
        self,
        names: Sequence[str],
        then: ManagerState,
        *,
        is_first: bool,
        unasked: Sequence[ChatItem] = (),
    ) -> None:
        self.data["speakers"] = {
            "names": list(names),
            "then": self._plain(then),
            "is_first": is_first,
            "unasked": self._dump(unasked),
        }

    def _put_orchestrator(
        self, run: TeamRun, asked: Sequence[str], unheard: Sequence[Sequence[ChatItem]]
    ) -> None:
        is_replanning = run.orchestration.is_replanning
        delta = run.transcript.deltas[-1] if unheard and run.transcript.deltas else ()
        self._put_restart(asked, delta, is_replanning=is_replanning)

    def _put_restart(
        self, asked: Sequence[str], unheard: Sequence[ChatItem], *, is_replanning: bool
    ) -> None:
        self.data["restart"] = {
            "asked": list(asked),
            "unheard": self._dump(unheard),
            "is_replanning": is_replanning,
        }

    # -- the runs that go on --------------------------------------------------------------------

    def put_earlier(self, run: TeamRun, *, is_replayed: bool) -> dict[str, Any]:
        """Write what the run of an inner team was given and has said, for the one that goes on.

        Args:
            run: The run.
            is_replayed: Whether its agent is told again what was said before a stop. A team around
                it has heard that.

        Returns:
            The small part of it, as JSON-able data.
        """
        earlier = run.start.earlier
        task = [*earlier.task, *run.task] if earlier is not None else run.task
        said = run.transcript.items
        if is_replayed and earlier is not None and not earlier.is_same_turn:
            said = [*earlier.said, *said]
        self._cut.add(self.log("task"), task)
        self._cut.add(self.log("said"), said)
        return {
            "turns": self._group.turns,
            "condition": _condition_of(self._group),
            "has_ended": run.has_ended,
            "unfinished": self._dump(run.transcript.unfinished),
        }

    def put_stand_in(self, earlier: EarlierRun, said: Sequence[ChatItem]) -> dict[str, Any]:
        """Write the same of a stand-in that was not asked yet.

        Args:
            earlier: What its team did before.
            said: What its result begins with.
        """
        self._cut.add(self.log("task"), earlier.task)
        self._cut.add(self.log("said"), said)
        return {
            "turns": earlier.turns,
            "condition": getattr(earlier.put_condition, "data", None),
            "has_ended": earlier.has_ended,
            "deltas": [self._dump(delta) for delta in earlier.deltas],
            "unfinished": self._dump(earlier.unfinished),
        }

    def _dump(self, items: Sequence[ChatItem]) -> list[Any]:
        return [self._cut.dump(item) for item in items]


def stand_ins(group: Group) -> list[ResumingTeam]:
    """Return the stand-ins for members that are in place in a team."""
    agents = [group.agent(name) for name in group.names]
    return [agent for agent in agents if type(agent) is ResumingTeam]


def log_of_team(what: str, name: str, member: str = "") -> str:
    """Return the name of a log of a team, or of one of its members."""
    whole = "/".join(part for part in (name, member) if part)
    return f"{what}:{whole}" if whole else what


def _condition_of(group: Group) -> Any:
    return None if group.condition is None else condition_state(group.condition)

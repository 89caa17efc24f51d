"""The record of a run of a team: what its messages show of it.

AutoGen keeps in half a dozen places who speaks next, what each member is to hear, and what it has
heard. It changes them some steps apart, and a stop may come between any two. So the record counts
what the members are to hear by the messages as they are published. It marks the state of the
manager as the manager begins to select a speaker.

`team_repair.py` reads the record after a stop, and writes the team back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import Team
from autogen_agentchat.messages import BaseChatMessage, CodeExecutionEvent

from supervisor._autogen import upstream
from supervisor._autogen.code_execution import Code
from supervisor._autogen.history.memory import MemorySavepoint, holds_results
from supervisor._autogen.history.openings import Openings, take_openings
from supervisor._autogen.history.resume import (
    EarlierRun,
    NextSpeakers,
    ResumingTeam,
    behind,
    earlier_run,
    next_speakers,
    resume_member,
)
from supervisor._autogen.history.tool_calls import KnownCall
from supervisor._autogen.upstream import ChatItem, Group, ManagerState
from supervisor._autogen.walk import own_parts, walk


class Turn:
    """One member's turn, or the run of a single agent.

    Args:
        agent: The agent or team whose turn it is.
        given: How many of the messages that were due to it, it was given.
    """

    def __init__(self, agent: Any, given: int = 0) -> None:
        self.agent = behind(agent)
        self.resuming = agent if isinstance(agent, ResumingTeam) else None
        """The stand-in that was asked, where it resumes the agent's own team."""
        self.given = given
        self.calls: list[KnownCall] = []
        self.records: list[str] = []
        """The ids of what the run's gate has recorded in this turn, where the run is kept."""
        self.team_runs: list[TeamRun] = []
        """The teams that were run in this turn, the first first."""
        self.has_executed = False
        """Whether code was executed in this turn, to its end."""
        self.events: list[ChatItem] = []
        """What was said in this turn."""
        self.code: Code | None = None
        """Code that was begun in this turn and has not ended; known at the stop."""
        things = [] if isinstance(self.agent, Team) else list(walk(self.agent))
        self.stand_ins = [] if isinstance(self.agent, Team) else stand_ins_of(self.agent)
        """The stand-ins that the agent holds, each with the name of its attribute."""
        self.assistants = [thing for thing in things if isinstance(thing, AssistantAgent)]
        self.savepoint = MemorySavepoint(things)

    def live_team_runs(self) -> list[TeamRun]:
        """Return the teams within it that are at work."""
        return [team_run for team_run in self.team_runs if not team_run.has_ended]

    def has_taken_messages(self) -> bool:
        """Return whether the agent may remember what it was given; not where it has no memory."""
        own = MemorySavepoint(own_parts(self.agent))
        return self.code is not None or not own.is_whole or own.differs_from(self.savepoint)

    def has_taken_effect(self) -> bool:
        """Return whether something was done in this turn that must not be done again."""
        if (
            self.has_executed
            or self.code is not None
            or any(call.has_taken_effect for call in self.calls)
        ):
            return True
        if any(team_run.has_taken_effect() for team_run in self.team_runs):
            return True
        # The calls of a user's agent are not seen, but their results are.
        return not self.assistants and any(holds_results(m) for m in self.savepoint.added())


def stand_ins_of(agent: object) -> list[tuple[str, ResumingTeam]]:
    """Return the stand-ins that an agent holds, each with the name of its attribute."""
    # Not `isinstance`, which is slow for a subclass of Team: this is done for each turn.
    return [(name, value) for name, value in vars(agent).items() if type(value) is ResumingTeam]


class Start:
    """A team as it was before its run.

    Args:
        group: The team's manager and members.
    """

    def __init__(self, group: Group) -> None:
        self.due = {name: group.buffer(name) for name in group.names}
        self.thread = list(group.thread)
        self.earlier = earlier_run(group)
        """The run that this one resumes."""
        self.openings = take_openings(group)
        """What was said in turns that it goes on with."""
        self.savepoint = MemorySavepoint(group.memory())
        self.state = group.state()


@dataclass
class Transcript:
    """What the members have said in a run."""

    items: list[ChatItem] = field(default_factory=list[ChatItem])
    deltas: list[Sequence[ChatItem]] = field(default_factory=list[Sequence[ChatItem]])
    """The same by turns, as AutoGen asks the termination condition."""
    unfinished: list[ChatItem] = field(default_factory=list[ChatItem])
    """What was said before an interruption in a turn that goes on: its delta begins with that."""
    unheard: list[list[ChatItem]] = field(default_factory=list[list[ChatItem]])
    """What was published, and what the manager has perhaps not heard."""
    openings: Openings = field(default_factory=Openings)
    """What was said before the run in turns that it goes on with, and that are not answered."""


@dataclass
class Selection:
    """The manager's last selection of a speaker."""

    state: ManagerState | None = None
    """What the manager was before; None before the first selection."""
    override: NextSpeakers | None = None
    """What selects in the manager's place."""
    turns: int = 0
    """How many turns the manager had counted."""
    has_answer: bool = False
    """Whether a member has answered since."""
    state_at_answer: ManagerState = field(default_factory=ManagerState)


@dataclass
class Orchestration:
    """What MagenticOne's orchestrator does."""

    instruction: BaseChatMessage | None = None
    """What it has told the member that it asks next."""
    is_replanning: bool = False


class TeamRun:
    """One run of one team, on its own or within a turn of another team.

    Args:
        group: The team's manager and members.
        task: What it was given to begin with.
    """

    def __init__(self, group: Group, task: Sequence[BaseChatMessage]) -> None:
        self.group = group
        self.task = list(task)
        self.start = Start(group)
        self.turns: dict[str, Turn] = {}
        """Those of the members that were asked and have not answered."""
        self.due = {name: list(messages) for name, messages in self.start.due.items()}
        """What each member is to be given when it is asked next."""
        self.transcript = Transcript(openings=dict(self.start.openings))
        if self.start.earlier is not None:
            self.transcript.unfinished.extend(self.start.earlier.unfinished)
            if self.start.earlier.is_same_turn:
                self.transcript.items.extend(self.start.earlier.said)
        self.selection = Selection()
        self.orchestration = Orchestration()
        self.past: dict[str, TeamRun] = {}
        """The first run of each team that was a member's turn, by the team's id."""
        self.counted: list[object] = []
        """Answers that count as given already, while they wait in a queue."""
        self.is_told = False
        """Whether the members were told of the task."""
        self.has_progressed = False
        """Whether anything has happened since the start."""
        self.has_answers = False
        """Whether a member has answered in this run."""
        self.has_ended = False
        """Whether the team has come to its own end."""
        self._had_effect = False

    # -- what its messages show -----------------------------------------------------------------

    def tell_task(self) -> None:
        """Note that the members are told of the task."""
        if self.is_told:
            return
        self.is_told = True
        for due in self.due.values():
            due.extend(self.task)

    def select(self) -> None:
        """Note that the manager is about to select who speaks next: a turn has ended."""
        self._begin_selection(self.group.state(), next_speakers(self.group))

    def has_selected_unseen(self) -> bool:
        """Return whether a user's manager has selected a speaker in a way that was not seen."""
        return self.group.has_turns and self.selection.has_answer and not self.turns

    def select_unseen(self) -> None:
        """Note a selection afterwards, by what the manager was at the last answer."""
        self._begin_selection(self.selection.state_at_answer, None)

    def _begin_selection(self, state: ManagerState, override: NextSpeakers | None) -> None:
        self.has_progressed = True
        self.transcript.unheard.clear()
        before = self.selection.state_at_answer
        turns = self.group.turns
        self.selection = Selection(state, override, turns, state_at_answer=before)

    def ask(self, name: str) -> Turn:
        """Note that a member is asked to speak."""
        self.has_progressed = True
        if not self.group.has_turns:
            self.transcript.unheard.clear()
        agent = self.group.agent(name)
        given = len(self.due[name]) - self.group.held_back(name)
        turn = self.turns[name] = Turn(agent, given)
        if isinstance(agent, Team) and not isinstance(agent, ResumingTeam) and not self.due[name]:
            turn.resuming = resume_member(self.group, name, agent)
        return turn

    def answer(self, name: str, said: Sequence[ChatItem], told: Sequence[BaseChatMessage]) -> None:
        """Note that a member, or the manager, has spoken.

        Args:
            name: Who.
            said: What the manager will put into its thread.
            told: What the other members are to hear.
        """
        turn = self.turns.pop(name, None)
        if turn is not None:
            self._finish_turn(name, turn)
        for other, due in self.due.items():
            if other != name:
                due.extend(told)
        if name in self.due:
            self._add_answer(turn, said)
        else:  # MagenticOne's orchestrator speaks itself, and has heard itself
            self.orchestration = Orchestration(told[-1])
            self.transcript.items.extend(told)
            self.has_progressed = True

    def _finish_turn(self, name: str, turn: Turn) -> None:
        self.selection.has_answer = self.has_answers = True
        self._had_effect = self._had_effect or turn.has_taken_effect()
        self.due[name] = self.due[name][turn.given :]
        for team_run in turn.team_runs:
            self.past.setdefault(team_run.group.key, team_run)

    def _add_answer(self, turn: Turn | None, said: Sequence[ChatItem]) -> None:
        transcript = self.transcript
        transcript.unheard.append(list(said))
        # AutoGen's result of a team has what its members have shown, and not what they heard.
        self.add_said(turn.events if turn is not None and turn.events else said)
        self.selection.state_at_answer = self.group.state()
        if not self.turns:  # of parallel turns AutoGen asks the condition with the last
            transcript.deltas.append(upstream.whole_turn(transcript.unfinished, said))
            transcript.unfinished.clear()

    def add_said(self, items: Sequence[ChatItem]) -> None:
        """Add what a member has said to what was said in this run, each message once."""
        earlier = self.start.earlier
        if earlier is not None and earlier.is_same_turn:  # an inner team says again what it said
            items = [item for item in items if item.id not in earlier.said_ids]
        self.transcript.items.extend(items)

    def forget(self, topic: str) -> None:
        """Note that a member is reset: in the midst of a run, or by whoever has run the team."""
        name = self.group.name_at(topic)
        if name is not None:
            self.due[name].clear()
            self.orchestration.is_replanning = self.group.restarts

    def show(self, topic: str, item: ChatItem) -> None:
        """Note what a member has said in its turn."""
        turn = self.turns.get(self.group.name_at(topic) or "")
        if turn is not None and not isinstance(turn.agent, Team):
            turn.events.append(item)
            turn.has_executed = turn.has_executed or isinstance(item, CodeExecutionEvent)

    # -- what is read of it ---------------------------------------------------------------------

    def open_turns(self) -> Iterator[tuple[str, Turn]]:
        """Yield the turns that are being taken: of nested ones, the innermost."""
        for name, turn in self.turns.items():
            inner = turn.live_team_runs()
            if inner:
                for team_run in inner:
                    yield from team_run.open_turns()
            else:
                yield name, turn

    def has_taken_effect(self) -> bool:
        """Return whether something was done that must not be done again."""
        return self._had_effect or any(turn.has_taken_effect() for turn in self.turns.values())

    def said(self) -> list[ChatItem]:
        """Return what its members have said in this run."""
        return list(self.transcript.items)

    def is_of(self, team: object) -> bool:
        """Return whether this is a run of that team."""
        return upstream.is_team(team, self.group.key)

    def added(self) -> list[ChatItem]:
        """Return what was added to the manager's thread in this run."""
        thread, held = self.group.thread, self.start.thread
        if not held or (len(thread) >= len(held) and thread[len(held) - 1] is held[-1]):
            return thread[len(held) :]
        known = set(map(id, held))  # MagenticOne's is cleared, and a user's may be cut
        return [item for item in thread if id(item) not in known]

    @property
    def was_told(self) -> bool:
        """Whether the team has taken its task, where its run came to an end of its own."""
        if self.group.restarts:
            return self.has_progressed
        return not self.task or any(item is self.task[-1] for item in self.added())

    def as_earlier(self) -> EarlierRun:
        """Return this run, and what it resumed, for a run that resumes it."""
        task, said, deltas = list(self.task), self.said(), self.transcript.deltas
        deltas = [task, *deltas] if task else deltas
        earlier, put_condition = self.start.earlier, None
        if earlier is not None:
            task, deltas = [*earlier.task, *task], [*earlier.deltas, *deltas]
            said = said if earlier.is_same_turn else [*earlier.said, *said]
            put_condition = earlier.put_condition
        found = EarlierRun(
            self.group,
            task,
            said,
            deltas=deltas,
            turns=self.selection.turns,
            has_ended=self.has_ended,
            put_condition=put_condition,
        )
        found.unfinished.extend(self.transcript.unfinished)
        return found

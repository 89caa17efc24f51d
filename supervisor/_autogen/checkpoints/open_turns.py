"""The turns that are being taken as a snapshot is made: which of them a store is told of.

By the rules for a stop: a turn is undone unless something in it must not be done again. A team that
is a member of another team has no turn: its run goes on, and what its members have finished stays.
So does the team of a `SocietyOfMindAgent`, once a member has answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from autogen_agentchat.agents import SocietyOfMindAgent
from autogen_agentchat.base import Team

from supervisor._autogen.history.journal import Journal
from supervisor._autogen.history.team_run import Start, TeamRun, Turn
from supervisor._autogen.upstream import (
    Delivery,
    GroupChatAgentResponse,
    GroupChatMessage,
    GroupChatTermination,
)
from supervisor._autogen.walk import walk


@dataclass(frozen=True)
class KeptTurn:
    """A turn that is written as it is now.

    Args:
        turn: The turn.
        team: The id of the team, of which a member takes it; None for a single agent.
        member: The member's name.
        goes_on: Whether its team goes on; not behind a tool, whose call is closed.
    """

    turn: Turn
    team: str | None = None
    member: str = ""
    goes_on: bool = True


@dataclass
class OpenTurns:
    """The open turns of a run, sorted."""

    kept: list[KeptTurn] = field(default_factory=list[KeptTurn])
    """Those in which something was recorded or has taken effect, the inner ones first."""
    going: dict[str, TeamRun] = field(default_factory=dict[str, TeamRun])
    """The runs that go on, by the ids of their teams."""
    over: dict[str, TeamRun] = field(default_factory=dict[str, TeamRun])
    """The runs behind tools, which do not go on."""
    undone: dict[str, Start] = field(default_factory=dict[str, Start])
    """The runs that are undone, by the ids of their teams: what the teams were before."""
    within: list[tuple[Turn, TeamRun]] = field(default_factory=list[tuple[Turn, TeamRun]])
    """The runs that go on within a turn, each with that turn."""
    rewound: dict[tuple[int, str], list[Any]] = field(
        default_factory=dict[tuple[int, str], list[Any]]
    )
    """Lists of messages as they were before a turn that is undone; by owner and attribute."""
    undone_agents: set[int] = field(default_factory=set[int])
    """The id()s of the agents in turns that are undone."""
    events: list[str] = field(default_factory=list[str])
    """The ids of what was said in turns that are undone."""
    pending: list[Turn] = field(default_factory=list[Turn])
    """The turns that are undone, whose agents hold stand-ins."""

    def add_run(self, run: TeamRun, *, is_over: bool = False) -> None:
        """Add a run that is written as it is now, and the turns in it."""
        (self.over if is_over else self.going)[run.group.key] = run
        for name, turn in run.turns.items():
            if isinstance(turn.agent, Team):
                self._add_member(turn, is_over=is_over)
            else:
                kept = KeptTurn(turn, run.group.key, name, goes_on=not is_over)
                self.add_turn(kept, is_over=is_over)

    def _add_member(self, turn: Turn, *, is_over: bool) -> None:
        inner = turn.team_runs[-1] if turn.team_runs else None
        if inner is None or not inner.has_progressed:
            self._undo(turn)
            return
        self.within.append((turn, inner))
        self.add_run(inner, is_over=is_over)

    def add_turn(self, kept: KeptTurn, *, is_over: bool = False) -> None:
        """Add the turn of an agent."""
        turn = kept.turn
        if not is_kept(turn):
            self._undo(turn)
            return
        goes_on = isinstance(turn.agent, SocietyOfMindAgent) and not is_over
        if goes_on and turn.team_runs:
            self.within.append((turn, turn.team_runs[-1]))
        for run in turn.team_runs:
            self.add_run(run, is_over=not goes_on or run is not turn.team_runs[-1])
        self.kept.append(kept)

    def _undo(self, turn: Turn) -> None:
        self.events.extend(item.id for item in turn.events)
        self.pending.append(turn)
        for run in turn.team_runs:
            self._undo_run(run)
        self.undone_agents.update(id(thing) for thing in walk(turn.agent))
        # The outer savepoint last: it may hold the same lists, as they were before.
        self._rewind(turn.savepoint.remembered())

    def _undo_run(self, run: TeamRun) -> None:
        for turn in run.turns.values():
            self._undo(turn)
        self.undone[run.group.key] = run.start
        self._rewind(run.start.savepoint.remembered())

    def _rewind(self, lists: Iterator[tuple[object, str, list[Any]]]) -> None:
        for owner, attribute, items in lists:
            self.rewound[id(owner), attribute] = items


def is_kept(turn: Turn) -> bool:
    """Return whether a turn is written as it is now."""
    if _is_recorded(turn) or not turn.savepoint.is_whole or turn.has_taken_effect():
        return True
    if not isinstance(turn.agent, SocietyOfMindAgent):
        return False
    return any(run.has_answers or run.start.earlier is not None for run in turn.team_runs)


def _is_recorded(turn: Turn) -> bool:
    inner = [one for run in turn.team_runs for one in run.turns.values()]
    return bool(turn.records) or any(map(_is_recorded, inner))


def count_ends(journal: Journal, waiting: Iterable[Delivery]) -> None:
    """Count the teams as ended whose end waits in a queue: they have reset their conditions."""
    for delivery in waiting:
        if type(delivery.message) is GroupChatTermination:
            journal.deliver(delivery, None)


def count_waiting(journal: Journal, kept: Iterable[KeptTurn], waiting: Iterable[Delivery]) -> bool:
    """Count the answers that wait in a queue as given, where their turns would be kept open.

    Such an agent has finished: to ask it again would be to answer its own answer. What it has shown
    waits before its answer, and counts as shown.

    Returns:
        Whether there were any.
    """
    open_ = {(it.team, it.member) for it in kept}
    held = list(waiting)
    answers = [it for it in held if type(it.message) is GroupChatAgentResponse]
    found = [it for it in answers if (it.key, it.message.name) in open_]
    on_step, journal.on_step = journal.on_step, None
    for delivery in found:
        for shown in _shown_by(journal, delivery, held):
            journal.deliver(shown, None)
        journal.deliver(delivery, None)
        journal.team_runs[delivery.key].counted.append(delivery.message)
    journal.on_step = on_step
    return bool(found)


def _shown_by(journal: Journal, answer: Delivery, held: Sequence[Delivery]) -> Iterator[Delivery]:
    """Yield what waits of the messages that a member has shown in the turn that it has answered."""
    run = journal.team_runs[answer.key]
    for delivery in held:
        is_shown = delivery.key == answer.key and type(delivery.message) is GroupChatMessage
        if is_shown and run.group.name_at(delivery.sender) == answer.message.name:
            yield delivery


def open_turns_of(journal: Journal) -> OpenTurns:
    """Return the open turns of a run, as they are now."""
    found = OpenTurns()
    if journal.root is not None and not journal.root.has_ended:
        found.add_run(journal.root)
    elif journal.turn is not None:
        found.add_turn(KeptTurn(journal.turn))
    for run in journal.others:
        if not run.has_ended:
            found.add_run(run, is_over=True)
    return found

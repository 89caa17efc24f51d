"""The journal of a run: what its teams say to each other, as AutoGen starts to handle it.

AutoGen handles each message in a task of its own, and the task factory (`tasks.py`) sees each of
these before its first step, on any runtime. So the journal learns whose turn it is without
replacing or subclassing anything of AutoGen's. At a stop the journal is closed: what was published
by then has happened, whether it was handled or not; what comes later has not.

A message names a team by its id only. So the journal looks the manager and the members up in the
message's runtime, where they live. Not chosen: to take them from the team that is run. The team
object holds no reference to them, and a team that a tool starts is not reached from it at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, cast

from autogen_agentchat.messages import BaseChatMessage, ModelClientStreamingChunkEvent
from autogen_core import AgentId

from supervisor._autogen import upstream
from supervisor._autogen.code_execution import begun_by
from supervisor._autogen.history.openings import begin_with
from supervisor._autogen.history.team_run import TeamRun, Turn
from supervisor._autogen.history.tool_calls import ToolCalls
from supervisor._autogen.upstream import (
    Delivery,
    Group,
    GroupChatAgentResponse,
    GroupChatMessage,
    GroupChatRequestPublish,
    GroupChatReset,
    GroupChatStart,
    GroupChatTeamResponse,
    GroupChatTermination,
)
from supervisor._autogen.walk import walk
from supervisor._core.tasks import AnyTask


class Journal:
    """What has happened in a run.

    Args:
        agent: The agent that is run; None where a team is.
        on_boundary: Called where a turn has ended, in the very step in which the next would begin.
    """

    def __init__(self, agent: object | None, on_boundary: Callable[[], None]) -> None:
        self.root: TeamRun | None = None
        """The run of the outermost team, once it has begun."""
        self.stop_reason: str | None = None
        """Why the outermost team has come to its own end."""
        self.turn = Turn(agent) if agent is not None else None
        """The run of the agent."""
        self.others: list[TeamRun] = []
        """Team runs whose parent turn is unknown."""
        self.team_runs: dict[str, TeamRun] = {}
        """The last run of each team, by the team's id."""
        self.calls = ToolCalls()
        """The tool calls, by their tasks."""
        self.is_closed = False
        """Whether everything that still happens is ignored."""
        self.on_turn: Callable[[Journal], None] | None = None
        """Called where a turn has ended and nobody's is being taken."""
        self.on_step: Callable[[], None] | None = None
        """Called wherever something was finished that is not to be done again."""
        self.finished = 0
        """How many turns of agents are finished."""
        self.acted: dict[int, Any] = {}
        """The agents that have finished a turn, by their id()s; whoever reads them clears it."""
        self._on_boundary = on_boundary
        self._had_effect = False
        self._turns: dict[AnyTask, Turn] = {}  # by the task of the handler
        self._starting: dict[str, Turn] = {}  # the turn that starts a team, by the team's id

    def begin(self, driver: AnyTask) -> None:
        """Note that the run begins, in this task."""
        if self.turn is not None:
            self._turns[driver] = self.turn

    # -- what the tasks show --------------------------------------------------------------------

    def start_engine(self, team: Any, root: AnyTask | None) -> None:
        """Note that a team starts its own runtime, on behalf of a handler."""
        turn = self.turn_at(root)
        if turn is not None:
            self._starting[upstream.team_id(team)] = turn

    def call(self, task: AnyTask, coro: Any, frame: Any, root: AnyTask | None) -> None:
        """Note a tool call, on behalf of a handler; this frame creates its task."""
        call = self.calls.add(task, coro, frame)
        turn = self.turn_at(root)
        if turn is not None and not self.is_closed:
            turn.calls.append(call)

    def select(self, manager: Any) -> None:
        """Note that a manager selects the next speaker; None is an unknown manager."""
        team_run = self.team_runs.get(manager.id.key) if manager is not None else None
        if team_run is not None and not self.is_closed:
            team_run.select()
            _step(self)
            self._end_turn()

    @staticmethod
    def reads(message: Any) -> bool:
        """Return whether a message says anything; a streamed chunk does not, and they are many."""
        if message.__class__ is GroupChatMessage:
            return message.message.__class__ is not ModelClientStreamingChunkEvent
        return message.__class__ in _READ

    def deliver(self, found: Delivery, task: AnyTask | None) -> None:
        """Note a message that a task is about to handle; at the stop, one that waits in a queue."""
        if self.reads(found.message) and not self.is_closed:
            _READ[found.message.__class__](self, found, task)

    def close(self, waiting: Iterable[Delivery]) -> None:
        """Count what waits in the queues, and ignore everything that happens from here on, once.

        What has happened stays as it is now: a call that did not start will not.
        """
        try:
            for found in waiting:
                self.deliver(found, None)
        finally:
            self.calls.freeze()
            self._had_effect = self.has_taken_effect()
            self.is_closed = True

    def execute(self, task: AnyTask, root: AnyTask | None) -> None:
        """Note the code that a task waits for as the run stops, on behalf of a handler."""
        turn = self.turn_at(root)
        if turn is not None and turn.code is None:
            turn.code = begun_by(task)

    # -- what the messages say ------------------------------------------------------------------

    def _start(self, found: Delivery, task: AnyTask | None) -> None:
        if found.is_sent:
            if task is not None:
                self._begin_team_run(found)
            return
        team_run = self.team_runs.get(found.key)
        if team_run is not None and found.address == team_run.group.topic:
            team_run.tell_task()

    def _begin_team_run(self, found: Delivery) -> None:
        try:
            group = Group(found.runtime, AgentId(found.address, found.key))
        except Exception:  # noqa: BLE001 - AutoGen meets it next, and raises it to the caller
            return
        if group.graph is not None:
            group.graph.recall_triggers()
        turn = self._starting.pop(found.key, None) or self._turn_that_holds(found.key)
        if turn is not None:
            _drop_known(group, found.message)
        team_run = self.team_runs[found.key] = TeamRun(group, found.message.messages or [])
        if turn is not None:
            turn.team_runs.append(team_run)
        elif self.root is None and self.turn is None:
            self.root = team_run
        else:
            self.stop_reason = None  # a program's own class goes on with another run
            self.others = [*(other for other in self.others if not other.has_ended), team_run]

    def _turn_that_holds(self, key: str) -> Turn | None:
        """Return the turn whose agent holds a team that did not start a runtime of its own."""
        if self.root is None and self.turn is None:
            return None
        for _, turn in self._open_turns():
            for thing in walk(turn.agent):
                if upstream.is_team(thing, key):
                    return turn
        return None

    def _ask(self, found: Delivery, task: AnyTask | None) -> None:
        team_run = self.team_runs.get(found.key)
        name = team_run.group.name_at(found.address) if team_run is not None else None
        if team_run is None or name is None:
            return
        if team_run.has_selected_unseen():
            team_run.select_unseen()
            self._end_turn()
            if self.is_closed:  # this one is not asked any more
                return
        turn = team_run.ask(name)
        if task is not None:
            self._turns[task] = turn
            task.add_done_callback(lambda ended: self._turns.pop(ended, None))
            if not team_run.group.selects_freely:
                _step(self)

    def _answer(self, found: Delivery, _task: AnyTask | None) -> None:
        team_run, message = self.team_runs.get(found.key), found.message
        if team_run is None or found.address != team_run.group.topic:
            return
        if any(message is counted for counted in team_run.counted):
            return
        if isinstance(message, GroupChatAgentResponse):
            opening = team_run.transcript.openings.pop(message.name, None)
            if opening:
                begin_with(opening, message)
            told = [message.response.chat_message]
            inner = [] if team_run.group.restarts else message.response.inner_messages or []
            said = [*inner, *told]
        else:
            said = list(message.result.messages)
            told = [item for item in said if isinstance(item, BaseChatMessage)]
        is_turn = message.name in team_run.turns
        self.finished += is_turn and isinstance(message, GroupChatAgentResponse)
        turn = team_run.turns.get(message.name)
        if turn is not None:
            self.acted[id(turn.agent)] = turn.agent
        team_run.answer(message.name, said, told)
        self.calls.drop_done()
        if is_turn and (team_run.turns or not team_run.group.has_turns):
            _step(self)  # no selection follows at once
        if not team_run.group.has_turns and message.name in team_run.group.names:
            self._end_turn()

    def _reset(self, found: Delivery, _task: AnyTask | None) -> None:
        team_run = self.team_runs.get(found.key)
        if team_run is not None:
            team_run.forget(found.address)

    def _end(self, found: Delivery, _task: AnyTask | None) -> None:
        team_run = self.team_runs.get(found.key)
        if team_run is not None and found.message.error is None:
            team_run.has_ended = True
            if team_run is self.root:
                self.stop_reason = found.message.message.content

    def _show(self, found: Delivery, _task: AnyTask | None) -> None:
        if found.key in self.team_runs:
            self.team_runs[found.key].show(found.sender, found.message.message)

    # -- the turns ------------------------------------------------------------------------------

    def _open_turns(self) -> Iterator[tuple[str, Turn]]:
        if self.root is not None and not self.root.has_ended:
            yield from self.root.open_turns()
        elif self.turn is not None:
            inner = self.turn.live_team_runs()
            for team_run in inner:
                yield from team_run.open_turns()
            if not inner:
                yield "", self.turn

    def active_agents(self) -> list[str]:
        """Return the names of the agents whose turn it is."""
        return [name for name, _ in self._open_turns() if name]

    def turn_at(self, root: AnyTask | None) -> Turn | None:
        """Return the turn that a handler, or the driver, works for."""
        return self._turns.get(cast(AnyTask, root))

    def agent_at(self, root: AnyTask | None) -> str | None:
        """Return the name of the agent that a handler, or the driver, works for."""
        turn = self.turn_at(root)
        name = getattr(turn.agent, "name", None) if turn is not None else None
        return str(name) if name is not None else None

    def groups(self) -> list[Group]:
        """Return the teams that were at work."""
        return [team_run.group for team_run in self.team_runs.values()]

    def has_taken_effect(self) -> bool:
        """Return whether something was done in the run that must not be done again."""
        if self.is_closed:  # the repair has ended its turns since
            return self._had_effect
        if self.root is not None:
            return self.root.has_taken_effect()
        return self.turn is not None and self.turn.has_taken_effect()

    def _end_turn(self) -> None:
        if self.on_turn is not None and self.is_between_turns():
            self.on_turn(self)
        self._on_boundary()

    def is_between_turns(self) -> bool:
        """Return whether nobody's turn is being taken."""
        return not any(True for _ in self._open_turns())


def _step(journal: Journal) -> None:
    if journal.on_step is not None:
        journal.on_step()


def _drop_known(group: Group, start: GroupChatStart) -> None:
    """Drop from a task what a team within a turn holds already, for it was loaded in mid-turn."""
    known = {item.id for item in group.thread}
    if known and start.messages is not None:
        start.messages = [m for m in start.messages if m.id not in known] or None


_Read = Callable[[Journal, Delivery, "AnyTask | None"], None]

# ruff: noqa: SLF001 - the table of the journal's own methods
_READ: Final[dict[type, _Read]] = {
    GroupChatStart: Journal._start,  # pyright: ignore[reportPrivateUsage]
    GroupChatRequestPublish: Journal._ask,  # pyright: ignore[reportPrivateUsage]
    GroupChatAgentResponse: Journal._answer,  # pyright: ignore[reportPrivateUsage]
    GroupChatTeamResponse: Journal._answer,  # pyright: ignore[reportPrivateUsage]
    GroupChatReset: Journal._reset,  # pyright: ignore[reportPrivateUsage]
    GroupChatTermination: Journal._end,  # pyright: ignore[reportPrivateUsage]
    GroupChatMessage: Journal._show,  # pyright: ignore[reportPrivateUsage]
}

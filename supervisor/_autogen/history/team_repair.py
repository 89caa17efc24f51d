"""The repair of a team after a stop: it is made consistent, so that it can go on.

A turn is undone where it can be: the agent forgets what it was given, and is given it again. Where
a tool was called, the turn cannot be undone: the agent keeps what it was given, and its open calls
are closed. A team within a team is no turn: it keeps what its members finished, and goes on.

The manager's way to the next speaker is undone if nobody has answered since the selection began.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from autogen_agentchat.agents import AssistantAgent, SocietyOfMindAgent
from autogen_agentchat.base import Team
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, ToolCallRequestEvent
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import LLMMessage

from supervisor._autogen import upstream
from supervisor._autogen.history.memory import as_context_takes, close_calls, count_taken
from supervisor._autogen.history.resume import (
    NextSpeakers,
    OneShotOverride,
    ResumingTeam,
    behind,
    resume_member,
)
from supervisor._autogen.history.team_run import TeamRun, Turn
from supervisor._autogen.repair_thread import drive_sync
from supervisor._autogen.results import Remains, with_answers
from supervisor._autogen.upstream import ChatItem, ManagerState
from supervisor._reports import log_events
from supervisor._reports.log import reporter


class TurnRepair:
    """The repair of an interrupted turn, or of a single agent.

    Args:
        turn: The record of the turn.
    """

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._inner = [TeamRepair(team_run) for team_run in turn.team_runs]
        self.remains = Remains()
        """What is left of the turn, where it is kept open."""

    def apply(self, task: Sequence[BaseChatMessage]) -> bool:
        """Make a single agent consistent, whose run this is.

        Args:
            task: What it was given.

        Returns:
            Whether it has taken the task, and goes on without. An agent that has no memory cannot
            lose it.
        """
        agent = self._turn.agent
        context: Any = getattr(agent, "model_context", None)
        taken: list[LLMMessage] | None = None
        if self.must_be_kept():
            count = self.count_taken(task)
            self.keep()
            if not self.takes_at_its_end():
                return count == len(task)
            taken = as_context_takes(task)
        else:
            taken = self._turn.savepoint.taken(agent, task)
            self.undo()
        if taken is not None and context is not None:
            upstream.put_messages(context, [*(upstream.messages_of(context) or []), *taken])
        return taken is not None or context is None

    def must_be_kept(self) -> bool:
        """Return whether it cannot be undone, or something was finished in the course of it."""
        turn = self._turn
        if self.takes_at_its_end() and any(run.has_answers for run in turn.team_runs):
            return True
        return turn.has_taken_effect() or not turn.savepoint.is_whole

    def takes_at_its_end(self) -> bool:
        """Return whether the agent remembers what it is given only when it answers."""
        return isinstance(self._turn.agent, SocietyOfMindAgent)

    def count_taken(self, given: Sequence[BaseChatMessage]) -> int:
        """Count the messages that the agent remembers, of those that it was given.

        Only for a turn that is kept. None count, if its own memory is as before the turn. All
        count, if the agent has gone on to call a tool, or where its memory does not tell.
        """
        turn, agent = self._turn, self._turn.agent
        if not turn.has_taken_messages():
            return 0
        if turn.savepoint.is_whole or turn.calls or not isinstance(agent, AssistantAgent):
            return len(given)
        try:
            return count_taken(drive_sync(agent.model_context.get_messages()), given)
        except Exception:  # noqa: BLE001 - of the user's, and logged as its calls were closed
            return len(given)

    def undo(self) -> None:
        """Undo the turn, as if it had never begun."""
        for repair in reversed(self._inner):
            repair.undo()
        self._turn.savepoint.rewind()
        for attribute, stand_in in self._turn.stand_ins:
            setattr(self._turn.agent, attribute, stand_in)

    def keep(self) -> None:
        """Keep the turn, and close what was begun in the course of it."""
        turn = self._turn
        for repair in self._inner:  # first: they know the calls of their members
            repair.apply()
            self.remains.closed.extend(repair.remains.closed)
        self.remains.events.extend(self._left_events())
        watched = {id(agent.model_context) for agent in turn.assistants}
        for context in turn.savepoint.contexts:
            self._close(context, are_all=id(context) in watched)
        self._keep_code()
        if isinstance(turn.agent, SocietyOfMindAgent):
            turn.savepoint.rewind_context(turn.agent.model_context)
            self._resume_inner(turn.agent)

    def _keep_code(self) -> None:
        code = self._turn.code
        if code is not None:
            code.keep()
            self.remains.events.extend(filter(None, (code.event, code.answer)))

    def _left_events(self) -> list[ChatItem]:
        if not self.takes_at_its_end():
            return [event for event in self._turn.events if isinstance(event, BaseAgentEvent)]
        # The agent will be told again what its team has said; the reader of its run will not.
        return [i for repair in self._inner for i in (*repair.said(), *repair.remains.events)]

    def _close(self, context: ChatCompletionContext, *, are_all: bool) -> None:
        try:
            self.remains.closed.extend(close_calls(context, self._turn.calls, are_all=are_all))
        except Exception as error:  # noqa: BLE001 - a user's context must not keep the others
            reporter.event(log_events.CALLS_NOT_CLOSED, exc_info=error)

    def _resume_inner(self, agent: SocietyOfMindAgent) -> None:
        """Let an inner team go on when its agent is asked again."""
        if not self._inner:
            return
        attribute, team = _inner_team_of(agent)
        if self._inner[-1].has_taken:
            put_back = functools.partial(setattr, agent, attribute, team)
            earlier = self._turn.team_runs[-1].as_earlier()
            setattr(agent, attribute, ResumingTeam(team, put_back, earlier, is_replayed=True))


def _inner_team_of(agent: SocietyOfMindAgent) -> tuple[str, Team]:
    held = ((name, behind(value)) for name, value in vars(agent).items())
    return next((name, value) for name, value in held if isinstance(value, Team))


class TeamRepair:
    """The repair of a team, of which a run was interrupted; once nothing of it is at work.

    Args:
        team_run: The record of the run.
    """

    def __init__(self, team_run: TeamRun) -> None:
        self._run = team_run
        self._group = team_run.group
        self.has_taken = False
        """Whether the team has taken the task; known after `apply`."""
        self.remains = Remains()
        """What is left of turns that were kept open; known after `apply`."""

    def said(self) -> list[ChatItem]:
        """Return what the members have said in the run."""
        return self._run.said()

    def undo(self) -> None:
        """Undo the run, as if it had never begun."""
        run, start = self._run, self._run.start
        for turn in run.turns.values():
            TurnRepair(turn).undo()
        for team_run in run.past.values():
            TeamRepair(team_run).undo()
        start.savepoint.rewind()
        self._group.put_state(start.state)
        run.due = {name: list(messages) for name, messages in start.due.items()}
        self._write()

    def apply(self, *, is_seen: bool = False) -> None:
        """Make the team consistent.

        Args:
            is_seen: Whether the user has seen its task among the events.
        """
        run, restarts = self._run, self._group.restarts
        is_under_way = run.has_progressed or (is_seen and not restarts)
        self.has_taken = is_under_way and (run.is_told or not run.task or restarts)
        if not self.has_taken:
            self.undo()
            return
        self._hear()
        is_alone = len(run.turns) == 1
        names = list(run.turns)
        interrupted = [name for name in names if not self._repair_turn(name, is_alone=is_alone)]
        self._return_to_turn(interrupted)
        self._write()

    def _hear(self) -> None:
        """Let the manager hear what it was to hear, and see whether that was the end."""
        run, group = self._run, self._group
        heard = {id(item) for item in run.added()}
        task: list[ChatItem] = []
        if run.is_told and not group.restarts:
            task.extend(run.task)
        for said in (task, *run.transcript.unheard):
            if said and id(said[-1]) not in heard:
                group.add(said)
        # The manager did not come to select the next speaker: it may not have asked its condition.
        is_unasked = run.transcript.unheard and run.selection.has_answer
        if is_unasked and group.has_turns and not run.turns:
            run.selection.turns += 1
            earlier = run.as_earlier()
            ends = group.would_end(run.selection.turns, earlier.deltas, earlier.put_condition)
            run.has_ended = run.has_ended or ends
        run.transcript.unheard.clear()

    # -- the turns ------------------------------------------------------------------------------

    def _repair_turn(self, name: str, *, is_alone: bool) -> bool:
        """Undo or keep an interrupted turn.

        Args:
            name: Whose.
            is_alone: Whether no other was interrupted beside it.

        Returns:
            Whether it was finished after all: a team within this one had come to its end, or code
            was interrupted whose output is the whole turn.
        """
        run = self._run
        turn = run.turns.pop(name)
        if isinstance(turn.agent, Team):
            return self._repair_turn_of_team(name, turn)
        repair = TurnRepair(turn)
        if not repair.must_be_kept():
            repair.undo()
            return False
        if turn.code is not None and turn.code.answer is not None:
            repair.keep()
            return self._answer_late(name, turn, [turn.code.answer])
        count = repair.count_taken(run.due[name][: turn.given])
        repair.keep()
        self.remains.add(repair.remains)
        if not repair.takes_at_its_end():
            run.due[name] = run.due[name][count:]
            # Of parallel turns AutoGen asks the condition with the last alone.
            if is_alone and self._group.has_turns:
                run.transcript.unfinished.extend(_told_before_answer(turn, repair.remains))
        return False

    def _repair_turn_of_team(self, name: str, turn: Turn) -> bool:
        inner = turn.team_runs[-1] if turn.team_runs else None
        has_taken = inner is not None and self._repair_inner(inner)
        if inner is None or not has_taken:
            if turn.resuming is not None:
                self._group.put_agent(name, turn.resuming)
            return False
        if inner.has_ended:
            return self._answer_late(name, turn, inner.said())
        self._hear_unfinished(name, turn, inner.said())
        if not self._run.due[name]:  # asked with nothing new, which AutoGen would refuse
            resume_member(self._group, name, turn.agent, inner.as_earlier())
        return False

    def _repair_inner(self, inner: TeamRun) -> bool:
        """Repair the team that a member is; return whether that has taken its task."""
        repair = TeamRepair(inner)
        repair.apply()
        self.remains.add(repair.remains)
        return repair.has_taken

    def _answer_late(self, name: str, turn: Turn, said: Sequence[ChatItem]) -> bool:
        """Hear the answer of a turn that was finished after all."""
        self._run.turns[name] = turn
        self._run.answer(name, said, _chat_messages(said))
        self._hear()
        return True

    def _hear_unfinished(self, name: str, turn: Turn, said: list[ChatItem]) -> None:
        """Hear what the members of a member have said, though it has not come to its end."""
        run = self._run
        run.due[name] = run.due[name][turn.given :]
        for other, due in run.due.items():
            if other != name:
                due.extend(_chat_messages(said))
        if said:
            self._group.add(said)
            run.add_said(said)
            run.transcript.unfinished.extend(said)

    # -- the next speakers ----------------------------------------------------------------------

    def _return_to_turn(self, interrupted: list[str]) -> None:
        """Let the interrupted members speak next."""
        run, group, graph = self._run, self._group, self._group.graph
        if graph is not None and not interrupted and graph.is_complete():
            graph.start_over()
        if group.restarts:  # also at its end, of which whoever has stopped it is not told
            self._take_back_instruction(interrupted)
            OneShotOverride(group, is_replanning=run.orchestration.is_replanning)
            return
        if run.has_ended:
            return
        if run.selection.state is not None and not run.selection.has_answer:
            self._select_again(run.selection.state, interrupted)
        elif graph is not None:
            if interrupted:
                graph.put_first(interrupted)
            else:
                graph.free_triggers()
            NextSpeakers(group, interrupted)
        elif interrupted:
            NextSpeakers(group, interrupted)

    def _select_again(self, selection: ManagerState, interrupted: list[str]) -> None:
        """Undo a selection after which nobody has answered."""
        group, then, override = self._group, self._group.state(), self._run.selection.override
        group.put_state(selection)
        if override is not None and override.names and interrupted in ([], override.names):
            NextSpeakers(group, override.names, then=override.then)
        elif group.graph is not None:
            group.graph.free_triggers()
            NextSpeakers(group, [])
        elif group.is_selector and interrupted:
            NextSpeakers(group, interrupted, then=then)

    def _take_back_instruction(self, interrupted: list[str]) -> None:
        """Take back what MagenticOne has told the member that it asked, for it says it again."""
        run, said = self._run, self._run.orchestration.instruction
        if not interrupted or said is None:
            return
        for name, due in run.due.items():
            run.due[name] = [message for message in due if message is not said]
        run.transcript.items = [item for item in run.transcript.items if item is not said]
        self._group.thread[:] = [item for item in self._group.thread if item is not said]

    # -- the team itself ------------------------------------------------------------------------

    def _write(self) -> None:
        for name, messages in self._run.due.items():
            self._group.put_buffer(name, list(messages))
        self._group.unlock()
        self._group.termination.ask_later(())
        self._reset_condition()

    def _reset_condition(self) -> None:
        condition = self._group.condition
        if condition is None:
            return
        try:
            drive_sync(condition.reset())
        except Exception as error:  # noqa: BLE001 - a user's condition must not keep the run
            manager = self._group.manager.id.type
            reporter.event(log_events.CONDITION_NOT_RESET, manager=manager, exc_info=error)


def _told_before_answer(turn: Turn, remains: Remains) -> list[ChatItem]:
    """Return what the answer of a kept turn would have had before it, without calls taken back."""
    name = turn.agent.name
    said = [it for it in turn.events if isinstance(it, BaseAgentEvent) or it.source != name]
    last = said[-1] if said else None
    if isinstance(last, ToolCallRequestEvent):
        closed = {call.id for call, _ in remains.closed}
        if closed.isdisjoint(call.id for call in last.content):
            return said[:-1]
    return with_answers(said, [], remains)


def _chat_messages(said: Sequence[ChatItem]) -> list[BaseChatMessage]:
    """Return what the members of a team hear of what one of them has said."""
    return [item for item in said if isinstance(item, BaseChatMessage)]

"""A team's part in a run, as its messages show it, and what is made of it after a stop.

AutoGen keeps who is to speak, who is to hear what, and who has heard it in half a dozen places,
and changes them a few steps apart. A stop may come between any two. So what the members are to
hear is counted here, by the messages as they are published, and written back at the end; and the
manager's way to the next speaker is marked as it starts to select one, and undone if nobody
has answered since.

A turn is undone where it can be: the agent forgets what it was given, and will be given it again.
Where a tool was called that cannot be: the agent keeps what it was given, and its open calls are
closed. A team within a team is no turn: it keeps what its members finished, and goes on.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from autogen_agentchat.agents import AssistantAgent, SocietyOfMindAgent
from autogen_agentchat.base import Team
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, CodeExecutionEvent
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import LLMMessage

from supervisor._autogen import upstream
from supervisor._autogen.code_execution import Code
from supervisor._autogen.history.memory import (
    MemorySavepoint,
    as_context_takes,
    close_calls,
    count_taken,
    holds_results,
)
from supervisor._autogen.history.resume import (
    EarlierRun,
    NextSpeakers,
    OneShotOverride,
    ResumingTeam,
    behind,
    next_speakers,
    part_before,
)
from supervisor._autogen.history.tool_calls import Call
from supervisor._autogen.repair_thread import drive_sync
from supervisor._autogen.results import Remains
from supervisor._autogen.upstream import ChatItem, Group, ManagerState
from supervisor._autogen.walk import walk
from supervisor._reports.log import reporter


class Turn:
    """One member's turn, or the run of a single agent.

    Args:
        agent: The agent or team whose turn it is.
        given: How many of the messages that were due to it it was given.
    """

    def __init__(self, agent: Any, given: int = 0) -> None:
        self.agent = behind(agent)
        self.stand_in = agent if isinstance(agent, ResumingTeam) else None
        """What was asked in place of a team that goes on."""
        self.given = given
        self.calls: list[Call] = []
        self.chats: list[TeamRun] = []
        """The teams that were run in the course of it, the first first."""
        self.has_executed = False
        """Whether code was executed in the course of it, to the end."""
        self.events: list[ChatItem] = []
        """What was said in the course of it."""
        self.remains = Remains()
        """What is left of it, where it is kept open."""
        self.code: Code | None = None
        """Code that was begun in the course of it, and has not ended; told at the stop."""
        things = [] if isinstance(self.agent, Team) else list(walk(self.agent))
        self._stand_ins = [] if isinstance(self.agent, Team) else _stand_ins_of(self.agent)
        self._assistants = [thing for thing in things if isinstance(thing, AssistantAgent)]
        self.marks = MemorySavepoint(things)

    def live_chats(self) -> list[TeamRun]:
        """The teams within it that are at work."""
        return [chat for chat in self.chats if not chat.has_ended]

    def has_taken_effect(self) -> bool:
        """Whether something was done in the course of it that must not be done again."""
        if (
            self.has_executed
            or self.code is not None
            or any(call.has_taken_effect for call in self.calls)
        ):
            return True
        if any(chat.has_taken_effect() for chat in self.chats):
            return True
        # Of a user's agent the calls are not seen, but their results are.
        return self._calls_by_itself() and any(holds_results(m) for m in self.marks.added())

    def _calls_by_itself(self) -> bool:
        return not self._assistants

    def undo(self) -> None:
        """Have it never happened."""
        for chat in reversed(self.chats):
            chat.undo()
        self.marks.rewind()
        for place, stand_in in self._stand_ins:
            setattr(self.agent, place, stand_in)

    def conclude_run(self, task: Sequence[BaseChatMessage]) -> bool:
        """Make a single agent consistent, whose run this is.

        Args:
            task: What it was given.

        Returns:
            Whether it has taken the task, and goes on without. An agent with no memory has none
            to lose.
        """
        context: Any = getattr(self.agent, "model_context", None)
        taken: list[LLMMessage] | None = None
        if self.must_be_kept():
            count = self.count_taken(task)
            self.keep()
            if not self.takes_at_its_end():
                return count == len(task)
            taken = as_context_takes(task)
        else:
            taken = self.marks.taken(self.agent, task)
            self.undo()
        if taken is not None and context is not None:
            upstream.put_messages(context, [*(upstream.messages_of(context) or []), *taken])
        return taken is not None or context is None

    def must_be_kept(self) -> bool:
        """Whether it cannot be undone, or something was finished in the course of it."""
        if self.takes_at_its_end() and any(chat.has_answers for chat in self.chats):
            return True
        return self.has_taken_effect() or not self.marks.is_whole

    def takes_at_its_end(self) -> bool:
        """Whether the agent takes what it is given into its memory only when it answers."""
        return isinstance(self.agent, SocietyOfMindAgent)

    def count_taken(self, given: Sequence[BaseChatMessage]) -> int:
        """How many of the messages that it was given an agent remembers, whose turn is to be kept.

        All, if it has gone on to call a tool, or where it cannot be told.
        """
        if self.marks.is_whole or self.calls or not isinstance(self.agent, AssistantAgent):
            return len(given)
        try:
            return count_taken(drive_sync(self.agent.model_context.get_messages()), given)
        except Exception:  # noqa: BLE001 - of the user's, and logged as its calls were closed
            return len(given)

    def keep(self) -> None:
        """Close what was begun in the course of it."""
        for chat in self.chats:  # first: they know the calls of their members
            chat.conclude()
            self.remains.closed.extend(chat.remains.closed)
        self.remains.events.extend(self._left_events())
        watched = {id(agent.model_context) for agent in self._assistants}
        for context in self.marks.contexts:
            self._close(context, are_all=id(context) in watched)
        self._keep_code()
        if isinstance(self.agent, SocietyOfMindAgent):
            self.marks.rewind_context(self.agent.model_context)
            if self.chats:
                self._have_go_on(self.agent, self.chats[-1])

    def _keep_code(self) -> None:
        if self.code is not None:
            self.code.keep()
            self.remains.events.extend(filter(None, (self.code.event, self.code.answer)))

    def _left_events(self) -> list[ChatItem]:
        if not self.takes_at_its_end():
            return [event for event in self.events if isinstance(event, BaseAgentEvent)]
        # It will be told again what its team has said, and its own reader will not.
        return [item for chat in self.chats for item in (*chat.said(), *chat.remains.events)]

    def _close(self, context: ChatCompletionContext, *, are_all: bool) -> None:
        try:
            self.remains.closed.extend(close_calls(context, self.calls, are_all=are_all))
        except Exception as error:  # noqa: BLE001 - a user's context must not keep the others
            event = "open tool calls of a model context not closed"
            reporter.event(event, level=logging.ERROR, exc_info=error)

    @staticmethod
    def _have_go_on(agent: SocietyOfMindAgent, chat: TeamRun) -> None:
        """Have an inner team go on, when its agent is asked again."""
        place, team = _place_of(agent)
        if team is not None and chat.has_taken:
            put_back = functools.partial(setattr, agent, place, team)
            setattr(agent, place, ResumingTeam(team, put_back, chat.part(), is_told=True))


def _stand_ins_of(agent: object) -> list[tuple[str, ResumingTeam]]:
    # Not `isinstance`, which is slow for a subclass of Team: this is done for each turn.
    return [(name, value) for name, value in vars(agent).items() if type(value) is ResumingTeam]


def _place_of(agent: object) -> tuple[str, Team | None]:
    for name, value in vars(agent).items():
        if isinstance(behind(value), Team):
            return name, behind(value)
    return "", None


def _told(said: Sequence[ChatItem]) -> list[BaseChatMessage]:
    """What the members of a team hear of what one of them has said."""
    return [item for item in said if isinstance(item, BaseChatMessage)]


class TeamRun:
    """One run of one team, on its own or within a turn of another one.

    Args:
        group: The team's manager and members.
        task: What it was given to begin with.
    """

    def __init__(self, group: Group, task: Sequence[BaseChatMessage]) -> None:
        self.group = group
        self.task = list(task)
        self.turns: dict[str, Turn] = {}
        """Of those who were asked and have not answered."""
        self.has_ended = False
        """Whether the team has come to its own end."""
        self.has_taken = False
        """Whether the team has taken the task; told by `conclude`."""
        self.has_answers = False
        """Whether a member has answered in this run."""
        self._had_effect = False
        self._is_told = False  # the members of the task
        self._has_progressed = False
        self._due = {name: group.buffer(name) for name in group.names}
        self._unheard: list[list[ChatItem]] = []  # published, and perhaps not heard by the manager
        self._said: list[ChatItem] = []
        self._deltas: list[Sequence[ChatItem]] = []  # what each turn has said
        self._selection: ManagerState | None = None
        self._fields: ManagerState = {}  # as they were when the last answer was given
        self._stand_in: NextSpeakers | None = None  # that selects, in this selection
        self._has_answer = False
        self._instruction: BaseChatMessage | None = None  # MagenticOne's, to whom it asks next
        self._is_replanning = False
        self.remains = Remains()
        """What is left of turns that were kept open; told by `conclude`."""
        self._past: dict[str, TeamRun] = {}  # the first run of each team that was a member's turn
        self._held = list(group.thread)
        self._earlier = part_before(group)
        self._turns = 0  # that were taken
        due = {name: list(messages) for name, messages in self._due.items()}
        self._before = (MemorySavepoint(group.memory()), group.fields(), due)

    # -- what its messages show -----------------------------------------------------------------

    def tell_task(self) -> None:
        """The members are being told of the task."""
        self._is_told = True
        for due in self._due.values():
            due.extend(self.task)

    def select(self) -> None:
        """The manager is about to select who speaks next: a turn has ended."""
        self._has_progressed = True
        self._unheard.clear()
        self._selection, self._has_answer = self.group.fields(), False
        self._turns = self.group.turns
        self._stand_in = next_speakers(self.group)

    def has_selected_unseen(self) -> bool:
        """Whether the manager, of a user's, has selected a speaker in a way that was not seen."""
        return self.group.has_turns and self._has_answer and not self.turns

    def select_unseen(self) -> None:
        """Note a selection after the fact, by what the manager was before the last answer."""
        self._has_progressed = True
        self._unheard.clear()
        self._selection, self._has_answer, self._stand_in = self._fields, False, None
        self._turns = self.group.turns

    def ask(self, name: str) -> Turn:
        """A member is being asked to speak."""
        self._has_progressed = True
        if not self.group.has_turns:
            self._unheard.clear()
        agent = self.group.agent(name)
        turn = self.turns[name] = Turn(agent, len(self._due[name]))
        if isinstance(agent, Team) and not isinstance(agent, ResumingTeam) and not self._due[name]:
            turn.stand_in = self._have_go_on(name, turn)
        return turn

    def answer(self, name: str, said: Sequence[ChatItem], told: Sequence[BaseChatMessage]) -> None:
        """A member, or the manager, has spoken.

        Args:
            name: Who.
            said: What the manager will put into its thread.
            told: What the other members are to hear.
        """
        turn = self.turns.pop(name, None)
        if turn is not None:
            self._has_answer = self.has_answers = True
            self._had_effect = self._had_effect or turn.has_taken_effect()
            self._due[name] = self._due[name][turn.given :]
            for chat in turn.chats:
                self._past.setdefault(chat.group.key, chat)
        for other, due in self._due.items():
            if other != name:
                due.extend(told)
        if name in self._due:
            self._unheard.append(list(said))
            # AutoGen's result of a team has what its members have shown, and not what they heard.
            self._said.extend(turn.events if turn is not None and turn.events else said)
            self._fields = self.group.fields()
            if not self.turns:  # of parallel turns AutoGen asks the condition with the last
                self._deltas.append(list(said))
        else:  # MagenticOne's orchestrator speaks itself, and has heard itself
            self._instruction, self._is_replanning = told[-1], False
            self._said.extend(told)
            self._has_progressed = True

    def forget(self, topic: str) -> None:
        """A member is being reset: in the midst of a run, or by who has run the team."""
        name = self.group.name_at(topic)
        if name is not None:
            self._due[name].clear()
            self._is_replanning = self.group.restarts

    def show(self, topic: str, item: ChatItem) -> None:
        """A member has said something in the course of its turn."""
        turn = self.turns.get(self.group.name_at(topic) or "")
        if turn is not None and not isinstance(turn.agent, Team):
            turn.events.append(item)
            turn.has_executed = turn.has_executed or isinstance(item, CodeExecutionEvent)

    def open_turns(self) -> Iterator[tuple[str, Turn]]:
        """The turns that are being taken, the innermost of each."""
        for name, turn in self.turns.items():
            inner = turn.live_chats()
            if inner:
                for chat in inner:
                    yield from chat.open_turns()
            else:
                yield name, turn

    def has_taken_effect(self) -> bool:
        """Whether something was done that must not be done again."""
        return self._had_effect or any(turn.has_taken_effect() for turn in self.turns.values())

    # -- what is made of it, once nothing is at work --------------------------------------------

    def said(self) -> list[ChatItem]:
        """What its members have said in this run."""
        return list(self._said)

    def is_of(self, team: object) -> bool:
        """Whether this is a run of that team."""
        return upstream.is_team(team, self.group.key)

    def added(self) -> list[ChatItem]:
        """What the manager's thread has got in this run."""
        thread, held = self.group.thread, self._held
        if not held or (len(thread) >= len(held) and thread[len(held) - 1] is held[-1]):
            return thread[len(held) :]
        known = set(map(id, held))  # MagenticOne's is cleared, and a user's may be cut
        return [item for item in thread if id(item) not in known]

    @property
    def was_told(self) -> bool:
        """Whether the team has taken its task, where its run came to an end of its own."""
        if self.group.restarts:
            return self._has_progressed
        return not self.task or any(item is self.task[-1] for item in self.added())

    def part(self) -> EarlierRun:
        """This run, and what it continued, for one that continues it."""
        task, said = list(self.task), self.said()
        deltas = [task, *self._deltas] if task else self._deltas
        if self._earlier is not None:
            task, said = [*self._earlier.task, *task], [*self._earlier.said, *said]
            deltas = [*self._earlier.deltas, *deltas]
        ended, turns = self.has_ended, self._turns
        return EarlierRun(self.group, task, said, deltas=deltas, turns=turns, has_ended=ended)

    def undo(self) -> None:
        """Have it never happened."""
        marks, fields, due = self._before
        for turn in self.turns.values():
            turn.undo()
        for chat in self._past.values():
            chat.undo()
        marks.rewind()
        self.group.put_fields(fields)
        self._due = {name: list(messages) for name, messages in due.items()}
        self._write()

    def conclude(self, *, is_seen: bool = False) -> None:
        """Make the team consistent.

        Args:
            is_seen: Whether the user has seen its task among the events.
        """
        is_under_way = self._has_progressed or (is_seen and not self.group.restarts)
        self.has_taken = is_under_way and (self._is_told or not self.task or self.group.restarts)
        if not self.has_taken:
            self.undo()
            return
        self._hear()
        interrupted = [name for name in list(self.turns) if not self._end_turn(name)]
        self._return_to_turn(interrupted)
        self._write()

    def _hear(self) -> None:
        """Have the manager hear what it was to hear, and see whether that was the end."""
        heard = {id(item) for item in self.added()}
        told: list[ChatItem] = []
        if self._is_told and not self.group.restarts:
            told.extend(self.task)
        for said in (told, *self._unheard):
            if said and id(said[-1]) not in heard:
                self.group.add(said)
        # The manager did not come to select the next speaker: it may not have asked its condition.
        if self._unheard and self._has_answer and self.group.has_turns and not self.turns:
            self._turns += 1
            ends = self.group.would_end(self._turns, self.part().deltas)
            self.has_ended = self.has_ended or ends
        self._unheard.clear()

    def _end_turn(self, name: str) -> bool:
        """Conclude an interrupted turn.

        Returns:
            Whether it was finished after all: a team within this one had come to its end, or code
            was interrupted whose output is the whole turn.
        """
        turn = self.turns.pop(name)
        if isinstance(turn.agent, Team):
            return self._end_turn_of_team(name, turn)
        if not turn.must_be_kept():
            turn.undo()
            return False
        if turn.code is not None and turn.code.answer is not None:
            turn.keep()
            return self._answer_late(name, turn, [turn.code.answer])
        count = turn.count_taken(self._due[name][: turn.given])
        turn.keep()
        self.remains.add(turn.remains)
        if not turn.takes_at_its_end():
            self._due[name] = self._due[name][count:]
        return False

    def _end_turn_of_team(self, name: str, turn: Turn) -> bool:
        inner = turn.chats[-1] if turn.chats else None
        if inner is not None:
            inner.conclude()
            self.remains.add(inner.remains)
        if inner is None or not inner.has_taken:
            if turn.stand_in is not None:
                self.group.put_agent(name, turn.stand_in)
            return False
        if inner.has_ended:
            return self._answer_late(name, turn, inner.said())
        self._take_part(name, turn, inner)
        if not self._due[name]:
            self._have_go_on(name, turn)
        return False

    def _answer_late(self, name: str, turn: Turn, said: Sequence[ChatItem]) -> bool:
        """Hear the answer of a turn that was finished after all."""
        self.turns[name] = turn
        self.answer(name, said, _told(said))
        self._hear()
        return True

    def _take_part(self, name: str, turn: Turn, inner: TeamRun) -> None:
        """Hear what the members of a member have said, though it has not come to its end."""
        self._due[name] = self._due[name][turn.given :]
        for other, due in self._due.items():
            if other != name:
                due.extend(_told(inner.said()))
        if inner.said():
            self.group.add_unfinished(inner.said())
            self._said.extend(inner.said())
            self._deltas.append(inner.said())

    def _have_go_on(self, name: str, turn: Turn) -> ResumingTeam:
        """Have a team that is asked with nothing new go on, where AutoGen would refuse."""
        part = turn.chats[-1].part() if turn.chats else None
        put_back = functools.partial(self.group.put_agent, name, turn.agent)
        stand_in = ResumingTeam(turn.agent, put_back, part)
        self.group.put_agent(name, stand_in)
        return stand_in

    def _return_to_turn(self, interrupted: list[str]) -> None:
        """Have those speak next who were to speak."""
        group = self.group
        if group.is_graph and not interrupted and group.is_complete():
            group.start_over()
        if group.restarts:  # also at its end, of which who has stopped it is not told
            self._take_back_instruction(interrupted)
            OneShotOverride(group, is_replanning=self._is_replanning)
            return
        if self.has_ended:
            return
        if self._selection is not None and not self._has_answer:
            self._select_again(self._selection, interrupted)
        elif interrupted or group.is_graph:
            if group.is_graph and not interrupted:
                group.free_triggers()
            elif group.is_graph:
                group.put_first(interrupted)
            NextSpeakers(group, interrupted)

    def _select_again(self, selection: ManagerState, interrupted: list[str]) -> None:
        """Undo a selection after which nobody has answered."""
        group, then, stand_in = self.group, self.group.fields(), self._stand_in
        group.put_fields(selection)
        if group.is_graph:
            group.free_triggers()
            NextSpeakers(group, [])
        elif group.is_selector and stand_in is not None and interrupted in ([], stand_in.names):
            NextSpeakers(group, stand_in.names, then=stand_in.then)
        elif group.is_selector and interrupted:
            NextSpeakers(group, interrupted, then=then)

    def _take_back_instruction(self, interrupted: list[str]) -> None:
        """Take back what MagenticOne has said to whom it asked, and will say again."""
        said = self._instruction
        if not interrupted or said is None:
            return
        for name, due in self._due.items():
            self._due[name] = [message for message in due if message is not said]
        self._said = [item for item in self._said if item is not said]
        self.group.thread[:] = [item for item in self.group.thread if item is not said]

    def _write(self) -> None:
        for name, messages in self._due.items():
            self.group.put_buffer(name, list(messages))
        self.group.unlock()
        self._reset_condition()

    def _reset_condition(self) -> None:
        condition = self.group.condition
        if condition is None:
            return
        try:
            drive_sync(condition.reset())
        except Exception as error:  # noqa: BLE001 - a user's condition must not keep the run
            event = f"termination condition of {self.group.manager.id.type} not reset"
            reporter.event(event, level=logging.WARNING, exc_info=error)

"""The journal of a run: what its teams say to each other, as AutoGen starts to handle it.

AutoGen handles each message in a task of its own, and the task factory (`tasks.py`) sees each of
these before its first step, on any runtime. So nothing of AutoGen's is replaced or subclassed to
learn whose turn it is. At a stop the journal is closed: what was published by then has happened,
whether it was handled or not; what comes later has not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, cast

from autogen_agentchat.messages import BaseChatMessage, ModelClientStreamingChunkEvent
from autogen_core import AgentId

from supervisor._autogen import upstream
from supervisor._autogen.code_execution import begun_by
from supervisor._autogen.history.team_run import TeamRun, Turn
from supervisor._autogen.history.tool_calls import Call
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

Root = Callable[[AnyTask | None], AnyTask | None]


class Journal:
    """What has happened in a run.

    Args:
        agent: The agent that is run; None where a team is.
        on_boundary: Called where a turn has ended, in the very step in which the next would begin.
    """

    def __init__(self, agent: object | None, on_boundary: Callable[[], None]) -> None:
        self.root: TeamRun | None = None
        """The run of the outermost team, once it has begun."""
        self.turn = Turn(agent) if agent is not None else None
        """The run of the agent."""
        self.others: list[TeamRun] = []
        """Runs of teams of which nothing tells who has started them."""
        self._on_boundary = on_boundary
        self._chats: dict[str, TeamRun] = {}  # by the team's id; of each the last
        self._turns: dict[AnyTask, Turn] = {}  # by the task of the handler
        self._calls: dict[AnyTask, Call] = {}
        self._within: dict[str, Turn] = {}  # the turn in which a team is being started, by its id
        self.is_closed = False
        """Whether nothing happens any more."""

    def begin(self, driver: AnyTask) -> None:
        """The run begins, in this task."""
        if self.turn is not None:
            self._turns[driver] = self.turn

    # -- what the tasks show --------------------------------------------------------------------

    def start_engine(self, team: Any, root: AnyTask | None) -> None:
        """A team starts its own runtime, on behalf of a handler."""
        turn = self._turns.get(cast(AnyTask, root))
        if turn is not None:
            self._within[upstream.team_id(team)] = turn

    def call(self, task: AnyTask, coro: Any, frame: Any, root: AnyTask | None) -> None:
        """A tool is called, on behalf of a handler; this frame creates its task."""
        by = asyncio.current_task()  # of each request another one
        number = sum(call.made_by is by for call in self._calls.values())
        made, is_handoff = upstream.tool_call(frame, number)
        call = Call(task, coro, made, self.agent_at(root), is_handoff=is_handoff)
        self._calls[task] = call
        turn = self._turns.get(cast(AnyTask, root))
        if turn is not None and not self.is_closed:
            turn.calls.append(call)

    def call_child(self, task: AnyTask, coro: Any) -> None:
        """A tool call has started a task."""
        if task in self._calls:
            self._calls[task].add_child(coro)

    def select(self, manager: Any) -> None:
        """A manager selects the next speaker; None is one that is not known."""
        chat = self._chats.get(manager.id.key) if manager is not None else None
        if chat is not None and not self.is_closed:
            chat.select()
            self._on_boundary()

    @staticmethod
    def reads(message: Any) -> bool:
        """Whether a message says anything; a streamed chunk does not, and they are many."""
        if message.__class__ is GroupChatMessage:
            return message.message.__class__ is not ModelClientStreamingChunkEvent
        return message.__class__ in _READ

    def deliver(self, found: Delivery, task: AnyTask | None) -> None:
        """A message is about to be handled, in this task; or waits in a queue as the run stops."""
        if self.reads(found.message) and not self.is_closed:
            _READ[found.message.__class__](self, found, task)

    def close(self, waiting: Iterable[Delivery]) -> None:
        """Nothing happens any more, but what waits in the queues.

        What has happened stays as it is now: a call that did not start will not.
        """
        if self.is_closed:
            return
        try:
            for found in waiting:
                self.deliver(found, None)
        finally:
            for call in self._calls.values():
                call.freeze()
            self.is_closed = True

    def execute(self, task: AnyTask, root: AnyTask | None) -> None:
        """Note the code that a task waits for as the run stops, on behalf of a handler."""
        turn = self._turns.get(cast(AnyTask, root))
        if turn is not None and turn.code is None:
            turn.code = begun_by(task)

    # -- what the messages say ------------------------------------------------------------------

    def _start(self, found: Delivery, task: AnyTask | None) -> None:
        if found.is_sent:
            if task is not None:
                self._begin_chat(found)
            return
        chat = self._chats.get(found.key)
        if chat is not None and found.address == chat.group.topic:
            chat.tell_task()

    def _begin_chat(self, found: Delivery) -> None:
        try:
            group = Group(found.runtime, AgentId(found.address, found.key))
        except Exception:  # noqa: BLE001 - AutoGen meets it next, and raises it to the caller
            return
        if group.is_graph:
            group.recall_triggers()
        turn = self._within.pop(found.key, None) or self._turn_that_holds(found.key)
        if turn is not None:
            _drop_known(group, found.message)
        chat = self._chats[found.key] = TeamRun(group, found.message.messages or [])
        if turn is not None:
            turn.chats.append(chat)
        elif self.root is None and self.turn is None:
            self.root = chat
        else:
            self.others = [*(other for other in self.others if not other.has_ended), chat]

    def _turn_that_holds(self, key: str) -> Turn | None:
        """The turn of which a team is part that did not start a runtime of its own."""
        if self.root is None and self.turn is None:
            return None
        for _, turn in self._open_turns():
            for thing in walk(turn.agent):
                if upstream.is_team(thing, key):
                    return turn
        return None

    def _ask(self, found: Delivery, task: AnyTask | None) -> None:
        chat = self._chats.get(found.key)
        name = chat.group.name_at(found.address) if chat is not None else None
        if chat is None or name is None:
            return
        if chat.has_selected_unseen():
            chat.select_unseen()
            self._on_boundary()
            if self.is_closed:  # this one is not asked any more
                return
        turn = chat.ask(name)
        if task is not None:
            self._turns[task] = turn
            task.add_done_callback(self._forget)

    def _forget(self, task: AnyTask) -> None:
        self._turns.pop(task, None)

    def _answer(self, found: Delivery, _task: AnyTask | None) -> None:
        chat, message = self._chats.get(found.key), found.message
        if chat is None or found.address != chat.group.topic:
            return
        if isinstance(message, GroupChatAgentResponse):
            told = [message.response.chat_message]
            inner = [] if chat.group.restarts else message.response.inner_messages or []
            said = [*inner, *told]
        else:
            said = list(message.result.messages)
            told = [item for item in said if isinstance(item, BaseChatMessage)]
        chat.answer(message.name, said, told)
        self._drop_calls()
        if not chat.group.has_turns and message.name in chat.group.names:
            self._on_boundary()

    def _drop_calls(self) -> None:
        self._calls = {task: call for task, call in self._calls.items() if not task.done()}

    def _reset(self, found: Delivery, _task: AnyTask | None) -> None:
        chat = self._chats.get(found.key)
        if chat is not None:
            chat.forget(found.address)

    def _end(self, found: Delivery, _task: AnyTask | None) -> None:
        chat = self._chats.get(found.key)
        if chat is not None and found.message.error is None:
            chat.has_ended = True

    def _show(self, found: Delivery, _task: AnyTask | None) -> None:
        if found.key in self._chats:
            self._chats[found.key].show(found.sender, found.message.message)

    # -- the turns ------------------------------------------------------------------------------

    def _open_turns(self) -> Iterator[tuple[str, Turn]]:
        if self.root is not None and not self.root.has_ended:
            yield from self.root.open_turns()
        elif self.turn is not None:
            inner = self.turn.live_chats()
            for chat in inner:
                yield from chat.open_turns()
            if not inner:
                yield "", self.turn

    def active_agents(self) -> list[str]:
        """The names of the agents whose turn it is."""
        return [name for name, _ in self._open_turns() if name]

    def agent_at(self, root: AnyTask | None) -> str | None:
        """The name of the agent that this handler, or this driver, works for."""
        turn = self._turns.get(cast(AnyTask, root))
        name = getattr(turn.agent, "name", None) if turn is not None else None
        return str(name) if name is not None else None

    def call_at(self, task: AnyTask) -> Call | None:
        """The tool call that this task carries out."""
        return self._calls.get(task)

    def groups(self) -> list[Group]:
        """The teams that were at work."""
        return [chat.group for chat in self._chats.values()]

    def is_between_turns(self) -> bool:
        """Whether nobody's turn is being taken."""
        return not any(True for _ in self._open_turns())


def _drop_known(group: Group, start: GroupChatStart) -> None:
    """Drop from a task what a team within a turn holds already: it was loaded in mid-turn."""
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

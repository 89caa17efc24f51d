"""Every private name of AutoGen that the supervisor touches; no other module knows one.

`tests/autogen/test_private.py` holds a contract test for each, so that a release of AutoGen that
changes one breaks a test with the name in it, and not a program.

Read in AutoGen 0.7.5: `autogen_core/_single_threaded_agent_runtime.py` (the message loop, the
handlers' tasks, the queue and its count), `autogen_agentchat/teams/_group_chat/`:
`_base_group_chat.py` (`run_stream` and its `stop_runtime`), `_base_group_chat_manager.py` (the
speakers, the turns), the managers of the team classes (who speaks next), `_events.py` (what they
send each other), `_chat_agent_container.py` (what an agent is still to be given),
`_sequential_routed_agent.py` (the FIFO lock); `agents/_assistant_agent.py` (its tool calls).
"""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

import asyncio
import contextlib
import inspect
import sys
from collections import Counter, deque
from collections.abc import Callable, Collection, Coroutine, Sequence
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple, TypeVar, cast

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import (
    AndTerminationCondition,
    OrTerminationCondition,
    TerminationCondition,
)
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage
from autogen_agentchat.teams import BaseGroupChat
from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_agentchat.teams._group_chat._chat_agent_container import ChatAgentContainer
from autogen_agentchat.teams._group_chat._events import (
    GroupChatAgentResponse,
    GroupChatMessage,
    GroupChatRequestPublish,
    GroupChatReset,
    GroupChatStart,
    GroupChatTeamResponse,
    GroupChatTermination,
)
from autogen_agentchat.teams._group_chat._graph._digraph_group_chat import GraphFlowManager
from autogen_agentchat.teams._group_chat._magentic_one._magentic_one_orchestrator import (
    MagenticOneOrchestrator,
)
from autogen_agentchat.teams._group_chat._round_robin_group_chat import (
    RoundRobinGroupChatManager,
)
from autogen_agentchat.teams._group_chat._selector_group_chat import SelectorGroupChatManager
from autogen_agentchat.teams._group_chat._sequential_routed_agent import (
    FIFOLock,
)
from autogen_agentchat.teams._group_chat._swarm_group_chat import SwarmGroupChatManager
from autogen_core import Agent, AgentId, CancellationToken, SingleThreadedAgentRuntime
from autogen_core._single_threaded_agent_runtime import (
    PublishMessageEnvelope,
    RunContext,
    SendMessageEnvelope,
)
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import LLMMessage

from supervisor.tasks import Kind

__all__ = [
    "GroupChatAgentResponse",
    "GroupChatMessage",
    "GroupChatRequestPublish",
    "GroupChatReset",
    "GroupChatStart",
    "GroupChatTeamResponse",
    "GroupChatTermination",
]

T = TypeVar("T")
ChatItem = BaseAgentEvent | BaseChatMessage

HANDLER_ERROR: Final = "Error processing publish message"
"""How the runtime's log record about a handler that raised begins (also a cancelled one)."""


# -- what the tasks of a run do -----------------------------------------------------------------


def _inner_code(function: Callable[..., Any], name: str) -> CodeType:
    """The code of a function that is defined inside another one."""
    for constant in function.__code__.co_consts:
        if isinstance(constant, CodeType) and constant.co_name == name:
            return constant
    raise LookupError(f"{function.__qualname__} defines no {name}")


# By name, for the module is an extra that need not be installed. The task that owns an MCP
# session serves every later call as well; `McpWorkbench` cannot start a second one.
_MCP_ACTOR: Final = ("_run_actor", "_actor.py")


class _Kinds(dict[CodeType | None, Kind]):
    """The kinds of coroutines by their code; a code that is not known yet is looked at once."""

    def __missing__(self, code: CodeType | None) -> Kind:
        kind = self[code] = _kind_of_code(code)
        return kind


def _kind_of_code(code: CodeType | None) -> Kind:
    name, file = _MCP_ACTOR
    if code is None:
        return Kind.WORK
    if code.co_name == "select_speaker":  # of any manager, the user's too
        return Kind.SELECTION
    is_actor = code.co_name == name and code.co_filename.endswith(file)
    return Kind.HELPER if is_actor else Kind.WORK


_KINDS: Final = _Kinds(
    {
        SingleThreadedAgentRuntime._process_send.__code__: Kind.HANDLER,
        SingleThreadedAgentRuntime._process_publish.__code__: Kind.HANDLER,
        SingleThreadedAgentRuntime._process_response.__code__: Kind.HANDLER,
        RunContext._run.__code__: Kind.ENGINE,
        _inner_code(BaseGroupChat.run_stream, "stop_runtime"): Kind.SHIELDED,
        AssistantAgent._execute_tool_call.__code__: Kind.CALL,
    }
)


def kind_of(coro: Any) -> Kind:
    """What a coroutine of AutoGen's does in a run; WORK for any other."""
    return _KINDS[getattr(coro, "cr_code", None)]


def has_begun(coro: Any) -> bool:
    """Whether a coroutine has been resumed at least once."""
    return inspect.getcoroutinestate(coro) != inspect.CORO_CREATED


def tool_call(coro: Any) -> tuple[Any, bool]:
    """The `FunctionCall` that a CALL carries out, and whether it is a handoff."""
    given = coro.cr_frame.f_locals
    call = given["tool_call"]
    return call, any(tool.name == call.name for tool in given["handoff_tools"])


def selecting_manager(coro: Any) -> BaseGroupChatManager | None:
    """The manager that is about to select the next speaker."""
    found = coro.cr_frame.f_locals.get("self")
    manager = getattr(found, "manager", found)  # our stand-in for `select_speaker` has one
    return manager if isinstance(manager, BaseGroupChatManager) else None


_STARTERS: Final = {BaseGroupChat.run_stream.__code__, BaseGroupChat.reset.__code__}


def starter() -> BaseGroupChat | None:
    """The team that is starting its own runtime just now; None where somebody else does.

    Told by the frames: nothing else tells a team's own runtime from one that a tool or an agent
    starts while a run is at work.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code is not SingleThreadedAgentRuntime.start.__code__:
        frame = frame.f_back
    caller = frame.f_back if frame is not None else None
    if caller is None or caller.f_code not in _STARTERS:
        return None
    return cast(BaseGroupChat, caller.f_locals["self"])


# -- messages on their way ----------------------------------------------------------------------


class Delivery(NamedTuple):
    """A message of a runtime, in its queue or about to be handled."""

    runtime: SingleThreadedAgentRuntime
    message: Any
    key: str
    """Of the agents concerned. A team's agents have the team's id."""
    address: str
    """The topic's type, where it is published; the recipient's, where it is sent."""
    is_sent: bool
    """Whether it is sent to one agent, which answers."""
    token: CancellationToken | None
    """What cancels its handling."""


def carried(coro: Any) -> tuple[SingleThreadedAgentRuntime, Any]:
    """The runtime of a HANDLER, and the envelope that it is about to deliver.

    Args:
        coro: Its coroutine, before its first step.
    """
    given = coro.cr_frame.f_locals
    return given["self"], given["message_envelope"]


def delivery(runtime: SingleThreadedAgentRuntime, envelope: Any) -> Delivery:
    """What an envelope of a runtime's holds."""
    if isinstance(envelope, PublishMessageEnvelope):
        topic, token = envelope.topic_id, envelope.cancellation_token
        return Delivery(runtime, envelope.message, topic.source, topic.type, False, token)  # noqa: FBT003
    if isinstance(envelope, SendMessageEnvelope):
        to, token = envelope.recipient, envelope.cancellation_token
        return Delivery(runtime, envelope.message, to.key, to.type, True, token)  # noqa: FBT003
    answering: AgentId = envelope.sender
    return Delivery(runtime, envelope.message, answering.key, answering.type, False, None)  # noqa: FBT003


def waiting(runtime: SingleThreadedAgentRuntime) -> list[Delivery]:
    """The messages in a runtime's queue, the oldest first."""
    return [delivery(runtime, envelope) for envelope in cast(Any, runtime._message_queue)._queue]


# -- runtimes -----------------------------------------------------------------------------------


class Engine:
    """A team's own runtime at work for one run: its message loop, its queue, its handlers.

    Args:
        coro: The coroutine of its message loop, before its first step.
    """

    def __init__(self, coro: Any) -> None:
        context: RunContext = coro.cr_frame.f_locals["self"]
        self._context = context
        self._runtime = context._runtime
        # Typed as asyncio's of Python 3.11, which lacks what AutoGen's copy of 3.13's has.
        self._queue: Any = self._runtime._message_queue

    @property
    def id(self) -> int:
        """The `id()` of the runtime."""
        return id(self._runtime)

    def waiting(self) -> list[Delivery]:
        """The messages in its queue, the oldest first."""
        return waiting(self._runtime) if self._runtime._message_queue is self._queue else []

    def close_intake(self) -> None:
        """Let no message begin any more: those in the queue are dropped, with exact counts.

        The message loop ends by itself. A handler that still sends gets `QueueShutDown`, as from
        the runtime's own `stop()`.
        """
        self._context._stopped.set()
        self._queue.shutdown(immediate=True)

    def settle_count(self) -> bool:
        """Account for handlers that ended without saying so; false while one is still at work.

        A handler counts itself off in a `finally` that never runs when it was cancelled before its
        first step, and in code that an exception skips when its sender had given up. With the
        queue shut and no handler left, whatever is unfinished belongs to those.
        """
        if self._runtime._background_tasks:
            return False
        while self._queue._unfinished_tasks > 0:
            self._queue.task_done()
        return True

    def forget_failure(self) -> None:
        """Drop the cancellation of a handler, kept to be raised by the next message loop."""
        self._runtime._background_exception = None


class SharedRuntime:
    """A runtime that the user gave, on which others are at work too.

    Args:
        runtime: The runtime.
    """

    def __init__(self, runtime: SingleThreadedAgentRuntime) -> None:
        self._runtime = runtime
        self._raises = not runtime._ignore_unhandled_handler_exceptions

    def forgive(self) -> None:
        """Let no cancelled handler end the runtime, as it does where it was made to raise."""
        self._runtime._ignore_unhandled_handler_exceptions = True

    def restore(self) -> None:
        """End `forgive`."""
        if self._raises:
            self._runtime._ignore_unhandled_handler_exceptions = False

    def waits_for(self, is_ours: Callable[[Delivery], bool]) -> bool:
        """Whether such a message is in the queue, and will be handled."""
        is_running = self._runtime._run_context is not None
        return is_running and any(is_ours(found) for found in waiting(self._runtime))

    def withdraw(self, is_ours: Callable[[Delivery], bool]) -> None:
        """Take such messages off the queue, with exact counts."""
        queue: Any = self._runtime._message_queue
        envelopes = list(queue._queue)
        ours = [e for e in envelopes if is_ours(delivery(self._runtime, e))]
        queue._queue.clear()
        queue._queue.extend(e for e in envelopes if not any(e is other for other in ours))
        for envelope in ours:
            queue.task_done()
            future = getattr(envelope, "future", None)
            if future is not None:
                future.cancel()

    def count_off(self) -> None:
        """Count a handler off that ended without saying so."""
        self._runtime._message_queue.task_done()


# -- teams --------------------------------------------------------------------------------------

_NOT_STATE: Final = frozenset(
    {"_active_speakers", "_current_turn", "_message_thread", "_sequential_message_types"}
)
_FIELDS: Final[dict[type, tuple[str, ...]]] = {
    RoundRobinGroupChatManager: ("_next_speaker_index",),
    SelectorGroupChatManager: ("_previous_speaker",),
    SwarmGroupChatManager: ("_current_speaker",),
    GraphFlowManager: ("_ready", "_remaining", "_enqueued_any", "_triggered_activation_groups"),
    MagenticOneOrchestrator: (),  # each run starts with new ones
}
"""What a manager of AutoGen's selects the next speaker by."""

Fields = dict[str, Any]


class Group:
    """A team in its runtime: the manager, and a container for each member.

    Args:
        runtime: Where they are.
        manager: The id of the manager.

    Raises:
        Exception: What making one of them raises.
    """

    def __init__(self, runtime: SingleThreadedAgentRuntime, manager: AgentId) -> None:
        self._runtime = runtime
        self.manager = cast(BaseGroupChatManager, _instance(runtime, manager))
        topics = self.manager._participant_name_to_topic_type
        self._names = {topic: name for name, topic in topics.items()}
        self._members: dict[str, ChatAgentContainer] = {
            name: cast(ChatAgentContainer, _instance(runtime, AgentId(topic, manager.key)))
            for name, topic in topics.items()
        }

    @property
    def key(self) -> str:
        """The key of its agents: the team's id."""
        return self.manager.id.key

    @property
    def topic(self) -> str:
        """The type of the topic on which all members hear each other."""
        return self.manager._group_topic_type

    @property
    def names(self) -> Collection[str]:
        """The names of the members."""
        return self._members

    def name_at(self, topic: str) -> str | None:
        """The member that is asked to speak on this type of topic."""
        return self._names.get(topic)

    def agent(self, name: str) -> Any:
        """The agent, or team, that a member is."""
        return self._members[name]._agent

    def put_agent(self, name: str, agent: Any) -> None:
        """Have another agent, or team, asked in a member's place."""
        self._members[name]._agent = agent

    def buffer(self, name: str) -> list[BaseChatMessage]:
        """What a member has heard and was not given yet."""
        return list(self._members[name]._message_buffer)

    def put_buffer(self, name: str, messages: list[BaseChatMessage]) -> None:
        """Say what a member is to be given when it is asked next."""
        self._members[name]._message_buffer = messages

    @property
    def thread(self) -> list[ChatItem]:
        """The manager's own list of what was said."""
        return self.manager._message_thread

    def memory(self) -> list[object]:
        """What the manager remembers by."""
        held = vars(self.manager).values()
        return [self.manager, *(v for v in held if isinstance(v, ChatCompletionContext))]

    @property
    def condition(self) -> TerminationCondition | None:
        """What ends the team."""
        return self.manager._termination_condition

    @property
    def has_turns(self) -> bool:
        """Whether the manager selects a speaker after each turn, as the base class does."""
        mine = type(self.manager).handle_agent_response
        return mine is BaseGroupChatManager.handle_agent_response

    @property
    def restarts(self) -> bool:
        """Whether each run starts anew, as MagenticOne's does."""
        return isinstance(self.manager, MagenticOneOrchestrator)

    @property
    def is_selector(self) -> bool:
        """Whether a model, or a function, selects the speaker."""
        return isinstance(self.manager, SelectorGroupChatManager)

    @property
    def is_graph(self) -> bool:
        """Whether a graph does."""
        return isinstance(self.manager, GraphFlowManager)

    def fields(self) -> Fields:
        """What the manager will select the next speaker by, now."""
        found = vars(self.manager)
        names = _FIELDS.get(type(self.manager))
        if names is None:  # of the user's: whatever is data
            names = tuple(name for name in found if name not in _NOT_STATE)
        return {name: _copy(found[name]) for name in names if _is_data(found[name])}

    def put_fields(self, fields: Fields) -> None:
        """Have the manager select by what `fields` has told."""
        for name, value in fields.items():
            setattr(self.manager, name, _copy(value))

    def add(self, messages: Sequence[ChatItem]) -> None:
        """Have the manager take these in, as it does with an answer."""
        at_once(self.manager.update_message_thread(messages))

    def add_unfinished(self, messages: Sequence[ChatItem]) -> None:
        """Have the manager take these in, though nobody's turn is over."""
        if self.is_graph:
            self.thread.extend(messages)
        else:
            self.add(messages)

    @property
    def turns(self) -> int:
        """How many turns the manager has counted in this run."""
        return self.manager._current_turn

    def count_again(self, turns: int, deltas: Sequence[Sequence[ChatItem]]) -> None:
        """Have a team that goes on count so many turns, and its condition what was said in them.

        What would end the team is left out: a part of a longer turn, with which it is asked later.
        """
        self.manager._current_turn = turns
        left = [delta for delta in deltas if delta]
        while (ending := self._count(left)) is not None:
            del left[ending]

    def _count(self, deltas: Sequence[Sequence[ChatItem]]) -> int | None:
        """Ask the condition with each of these; returns the place of the one that ends the team."""
        self._reset_condition()
        places = range(len(deltas))
        return next((place for place in places if self._condition_ends(deltas[place])), None)

    def would_end(self, turns: int, deltas: Sequence[Sequence[ChatItem]]) -> bool:
        """Whether the team is at its end after so many turns, the last of which is not counted.

        Args:
            turns: How many.
            deltas: What its condition is asked with: the task, and what was said in each turn.
        """
        if self.is_graph and self.is_complete():
            return True
        self.count_again(turns, deltas[:-1])
        if deltas and self._condition_ends(deltas[-1]):
            return True
        most = self.manager._max_turns
        return self.has_turns and most is not None and turns >= most

    def _condition_ends(self, delta: Sequence[ChatItem]) -> bool:
        return self.condition is not None and bool(delta) and _ask(self.condition, delta)

    def _reset_condition(self) -> None:
        if self.condition is not None:
            with contextlib.suppress(Exception):  # a user's: that it fails is logged at the end
                at_once(self.condition.reset())

    def unlock(self) -> None:
        """Take off what a cancelled handler leaves behind; only once none is at work."""
        for agent in (self.manager, *self._members.values()):
            # A waiter that was cancelled is handed the lock, and holds it for ever.
            agent._fifo_lock = FIFOLock()
        # Who was cancelled never answers, and each later run would wait for the answer.
        self.manager._active_speakers.clear()
        self.manager._current_turn = 0
        if isinstance(self.manager, MagenticOneOrchestrator):
            self.manager._n_rounds = self.manager._n_stalls = 0

    # -- MagenticOne ----------------------------------------------------------------------------

    async def go_on(self, token: CancellationToken, *, is_replanning: bool) -> None:
        """Have MagenticOne's orchestrator take its next step; in the handler of a run's start."""
        assert isinstance(self.manager, MagenticOneOrchestrator)
        if is_replanning:
            await self.manager._reenter_outer_loop(token)
        else:
            await self.manager._orchestrate_step(token)

    # -- GraphFlow ------------------------------------------------------------------------------

    def _graph(self) -> GraphFlowManager:
        assert isinstance(self.manager, GraphFlowManager)
        return self.manager

    def is_complete(self) -> bool:
        """Whether a graph has nobody left to ask."""
        return not self._graph()._ready

    def put_first(self, names: Sequence[str]) -> None:
        """Have a graph ask these again, before those that are ready."""
        ready = self._graph()._ready
        ready.extendleft(reversed(list(names)))

    def take_out(self, names: Sequence[str]) -> None:
        """Take back `put_first`: these are being asked."""
        for name in names:
            self._graph()._ready.remove(name)

    def start_over(self) -> None:
        """Have a graph begin at its start."""
        self._graph()._reset_execution_state()
        self._graph()._triggered_activation_groups = {}


def _ask(condition: TerminationCondition, said: Sequence[ChatItem]) -> bool:
    """Whether a condition ends its team; of one that waits before it tells, no."""
    if isinstance(condition, (AndTerminationCondition, OrTerminationCondition)):
        # Each by itself, for together they are asked in tasks.
        ended = [part.terminated or _ask(part, said) for part in condition._conditions]
        return all(ended) if isinstance(condition, AndTerminationCondition) else any(ended)
    try:
        return at_once(condition(said)) is not None
    except Exception:  # noqa: BLE001 - a user's: the run that asks it next will meet that again
        return False


_PLAIN: Final = (bool, int, float, str, bytes, tuple, frozenset, type(None))
_COLLECTIONS: Final[dict[Any, Callable[[Any], Any]]] = {
    Counter: lambda items: Counter(dict(items)),
    deque: lambda items: deque(map(_copy, items)),
    dict: lambda items: {key: _copy(value) for key, value in items.items()},
    list: lambda items: list(map(_copy, items)),
    set: set,
}


def _is_data(value: object) -> bool:
    return isinstance(value, _PLAIN) or value.__class__ in _COLLECTIONS


def _copy(value: Any) -> Any:
    """A copy of what `_is_data`, to the last list of lists; what is in them is shared."""
    copy = _COLLECTIONS.get(value.__class__)
    return value if copy is None else copy(value)


def team_id(team: BaseGroupChat) -> str:
    """The key of a team's agents."""
    return team._team_id


def is_team(thing: object, key: str) -> bool:
    """Whether this is the team with that id."""
    return isinstance(thing, BaseGroupChat) and thing._team_id == key


def given_runtime(team: object) -> SingleThreadedAgentRuntime | None:
    """The runtime that the user gave a team; None where it has its own, or a distributed one."""
    if isinstance(team, BaseGroupChat) and not team._embedded_runtime:
        runtime = team._runtime
        return runtime if isinstance(runtime, SingleThreadedAgentRuntime) else None
    return None


def free(team: object) -> None:
    """Take the mark of a running team off one that was interrupted as it started, or was reset."""
    if isinstance(team, BaseGroupChat) and team._is_running:
        team._is_running = False
        while not team._output_message_queue.empty():
            team._output_message_queue.get_nowait()


# -- contexts -----------------------------------------------------------------------------------


def messages_of(context: ChatCompletionContext) -> list[LLMMessage] | None:
    """The messages of a model context; None where a user's keeps them in a way of its own."""
    if type(context).add_message is not ChatCompletionContext.add_message:
        return None
    return context._messages


def put_messages(context: ChatCompletionContext, messages: list[LLMMessage]) -> None:
    """Have a model context hold these."""
    context._messages = messages


# -- MCP sessions (autogen_ext, an extra) -------------------------------------------------------


def mcp_commands(actor: Any) -> asyncio.Queue[dict[str, Any]]:
    """What a session's actor has been asked, and has not come to."""
    queue: asyncio.Queue[dict[str, Any]] = actor._command_queue
    return queue


def mcp_wrap_streams(session: Any, cls: type[dict[Any, Any]]) -> None:
    """Have a session of the package `mcp` keep the streams to its callers in a `dict` of ours."""
    if not isinstance(session._response_streams, cls):
        session._response_streams = cls(session._response_streams)


def mcp_forget_ended(workbench: Any) -> None:
    """Have a workbench forget its actor, if that has ended: AutoGen keeps it for ever."""
    actor: Any = getattr(workbench, "_actor", None)
    if hasattr(actor, "_command_queue") and not actor._active:
        workbench._actor = None


# -- coroutines that do not wait ----------------------------------------------------------------


def _instance(runtime: SingleThreadedAgentRuntime, id_: AgentId) -> Agent:
    return at_once(runtime.try_get_underlying_agent_instance(id_))


def at_once(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that does not really wait, as most of AutoGen's do not.

    Raises:
        RuntimeError: It waits. It was closed.
    """
    try:
        coro.send(None)
    except StopIteration as end:
        return cast(T, end.value)
    coro.close()
    raise RuntimeError(f"{coro!r} waits")

"""A streamed chunk's shortcut: from the agent to the output, past the runtime.

AutoGen publishes each chunk: it goes through the runtime's queue, and three tasks later the manager
puts it into the team's output queue. Nothing else becomes of it. While a team's own runtime works
for a run, the chunk is put there at once, where nothing can observe the difference: nothing logs,
traces, intercepts or subscribes, and no other message is on its way that would have come first. The
outermost team's chunks go on to the run itself, where `run_stream` waits for nothing else.

One outcome differs: where an agent fails right behind a chunk, AutoGen drops what is still in the
runtime's queue. A chunk that took the shortcut has been seen by then.

Where branches speak at once, their chunks go AutoGen's way from the first answer on: a member that
is taking its turn hears that answer only afterwards, and until then the answer is on its way.

Not chosen: to take messages of other classes along. The journal reads those as they are handled.
"""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from autogen_agentchat.messages import ModelClientStreamingChunkEvent
from autogen_agentchat.teams import BaseGroupChat
from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_agentchat.teams._group_chat._events import GroupChatMessage
from autogen_agentchat.teams._group_chat._sequential_routed_agent import SequentialRoutedAgent
from autogen_core import (
    EVENT_LOGGER_NAME,
    BaseAgent,
    RoutedAgent,
    SingleThreadedAgentRuntime,
)
from autogen_core._single_threaded_agent_runtime import ResponseMessageEnvelope
from autogen_core._telemetry import TraceHelper

from supervisor._autogen.upstream.methods import Method
from supervisor._autogen.upstream.overrides import Overrides
from supervisor._autogen.upstream.telemetry import records_nothing
from supervisor._core.tasks import AnyTask

Sink = Callable[[Any], bool]
"""Takes the outermost team's next event; returns whether it has taken it."""

_LOG: Final = logging.getLogger("autogen_core")
_EVENTS: Final = logging.getLogger(EVENT_LOGGER_NAME)

_PUBLISH: Final = Method(SingleThreadedAgentRuntime, "publish_message")
_PROCESS_NEXT: Final = Method(SingleThreadedAgentRuntime, "_process_next")
_PROCESS_PUBLISH: Final = Method(SingleThreadedAgentRuntime, "_process_publish")
_TRACE_BLOCK: Final = Method(TraceHelper, "trace_block")
_ROUTE: Final = Method(RoutedAgent, "on_message_impl")
_ON_MESSAGE: Final = Method(BaseAgent, "on_message")
_ON_MESSAGE_IMPL: Final = Method(SequentialRoutedAgent, "on_message_impl")
_HANDLE: Final = Method(BaseGroupChatManager, "handle_group_chat_message")


def is_read_bare(stream: Any, team: object) -> bool:
    """Return whether a stream is AutoGen's `run_stream` of a team, without a wrapper."""
    frame = getattr(stream, "ag_frame", None)
    if frame is None or frame.f_code.co_qualname != BaseGroupChat.__qualname__ + ".run_stream":
        return False
    is_autogens = frame.f_globals.get("__name__") == BaseGroupChat.__module__
    return is_autogens and frame.f_locals.get("self") is team


class Shortcut:
    """The way of a team's chunks past its own runtime.

    Args:
        team: The team that starts its runtime.
        sink: Offered the chunk first, where nothing waits before it; None for a nested team.
    """

    def __init__(self, team: BaseGroupChat, sink: Sink | None) -> None:
        self.runtime: Any = team._runtime
        self.team = team
        self.manager: Any = None
        """The only recipient of the chunk in question."""
        self._topic = team._output_topic_type
        self._manager_type = team._group_chat_manager_topic_type
        self._output: Any = team._output_message_queue
        self._sink = sink
        self._overrides = Overrides(self.runtime)
        self._underway: list[AnyTask] = []
        self.is_open = False

    def open(self) -> None:
        """Take the chunks that are published from now on."""
        if type(self.runtime) is SingleThreadedAgentRuntime:
            self._overrides.put("publish_message", self._publish)
            self.is_open = True

    def close(self) -> None:
        """Leave the runtime as it was found; a kept reference to our method goes AutoGen's way."""
        self.is_open = False
        self._overrides.take_back()

    def note(self, task: AnyTask, envelope: Any) -> None:
        """Note that a message of the runtime is about to be handled."""
        if self._may_come_before(envelope):
            self._underway = [other for other in self._underway if not other.done()]
            self._underway.append(task)

    async def _publish(self, message: Any, topic_id: Any, **options: Any) -> None:
        if not self._takes(message, topic_id, options.get("sender")):
            cls = cast(Any, type(self.runtime))
            await cls.publish_message(self.runtime, message, topic_id, **options)
        elif not self._is_next_read() or self._sink is None or not self._sink(message.message):
            self._output.put_nowait(message.message)

    def _takes(self, message: Any, topic: Any, sender: Any) -> bool:
        """Return whether a message is a chunk for the output that can take the shortcut."""
        if type(message) is not GroupChatMessage or topic.type != self._topic:
            return False
        if type(message.message) is not ModelClientStreamingChunkEvent:
            return False
        try:
            self.manager = self._only_recipient(topic, sender)
            return self._holds()
        except AttributeError:  # something is not AutoGen's, and lacks what AutoGen's has
            return False

    def _holds(self) -> bool:
        for holds in CONDITIONS.values():  # noqa: SIM110 - `all` of a generator costs as much again
            if not holds(self):
                return False
        return True

    def _only_recipient(self, topic: Any, sender: Any) -> Any:
        known = self.runtime._subscription_manager._subscribed_recipients.get(topic, ())
        if len(known) != 1 or known[0] == sender:
            return None
        return self.runtime._instantiated_agents.get(known[0])

    def _is_next_read(self) -> bool:
        """Return whether `run_stream` has passed on all earlier events, and waits for the next."""
        waiting = self._output._getters
        return bool(waiting) and not waiting[0].done() and not self._output._queue

    # -- the conditions -------------------------------------------------------------------------

    def has_nothing_underway(self) -> bool:
        """Return whether the manager has heard all that was said before."""
        if self._underway:
            self._underway = [task for task in self._underway if not task.done()]
        waiting = self.runtime._message_queue._queue
        return not self._underway and not (waiting and any(map(self._may_come_before, waiting)))

    def _may_come_before(self, envelope: Any) -> bool:
        """Return whether the manager hears a message, and may put something into the output itself.

        It does not hear what it has said itself, nor an answer to the sender of a message.
        """
        if type(envelope) is ResponseMessageEnvelope:
            return False
        return envelope.sender is None or envelope.sender.type != self._manager_type

    def is_as_written(self) -> bool:
        """Return whether all that is left out is AutoGen's own: not wrapped, and not replaced."""
        return (
            _PUBLISH.is_plain()
            and _PROCESS_NEXT.is_plain_of(self.runtime)
            and _PROCESS_PUBLISH.is_plain_of(self.runtime)
            and _TRACE_BLOCK.is_plain()
            and _ROUTE.is_plain()
        )

    def is_unlogged(self) -> bool:
        """Return whether the runtime's log records are dropped unseen."""
        return not _LOG.isEnabledFor(logging.INFO) and not _EVENTS.isEnabledFor(logging.INFO)

    def is_relayed(self) -> bool:
        """Return whether the manager does with a chunk what AutoGen's does."""
        manager = self.manager
        handlers = manager._handlers.get(GroupChatMessage, ())
        return (
            _ON_MESSAGE.is_plain_of(manager)
            and _ON_MESSAGE_IMPL.is_plain_of(manager)
            and len(handlers) == 1
            and _HANDLE.is_itself(handlers[0])
        )

    def has_plain_output(self) -> bool:
        """Return whether the manager puts it where the team reads, into a plain queue."""
        output = self._output
        return (
            type(output) is asyncio.Queue
            and self.manager._output_message_queue is output
            and self.team._output_message_queue is output
        )


CONDITIONS: Final[Mapping[str, Callable[[Shortcut], bool]]] = {
    "the runtime is at work for this run": lambda it: it.is_open,
    "it takes messages": lambda it: not it.runtime._message_queue._is_shutdown,
    "nothing else is on its way": Shortcut.has_nothing_underway,
    "what is left out is AutoGen's own": Shortcut.is_as_written,
    "nobody intercepts": lambda it: not it.runtime._intervention_handlers,
    "nobody logs": Shortcut.is_unlogged,
    "nobody traces": lambda it: records_nothing(it.runtime._tracer_helper.tracer),
    "nobody but the manager subscribes": lambda it: it.manager is not None,
    "the manager relays as AutoGen's does": Shortcut.is_relayed,
    "the team reads what it relays": Shortcut.has_plain_output,
}
"""What must hold for a chunk to take the shortcut: asked for each chunk, in this order, up to the
first that does not hold. The last two are about a manager, which is known to exist by then."""

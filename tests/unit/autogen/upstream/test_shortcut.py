"""Contract tests: what the fast path replaces, the shortcut and the telemetry."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import logging
from collections import deque
from typing import Any

import pytest
from autogen_agentchat.messages import ModelClientStreamingChunkEvent as Chunk
from autogen_agentchat.teams import BaseGroupChat, RoundRobinGroupChat
from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_agentchat.teams._group_chat._chat_agent_container import ChatAgentContainer
from autogen_agentchat.teams._group_chat._events import GroupChatMessage
from autogen_agentchat.teams._group_chat._sequential_routed_agent import SequentialRoutedAgent
from autogen_core import (
    AgentId,
    BaseAgent,
    CancellationToken,
    DefaultTopicId,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    _single_threaded_agent_runtime,
)
from autogen_core._single_threaded_agent_runtime import (
    PublishMessageEnvelope,
    ResponseMessageEnvelope,
    SendMessageEnvelope,
)
from autogen_core._telemetry import TraceHelper
from opentelemetry.trace import NoOpTracer, ProxyTracer

from supervisor._autogen.upstream import is_read_bare
from supervisor._autogen.upstream.methods import Method
from tests.agents import Agent, team

METHODS = (
    (SingleThreadedAgentRuntime, "publish_message"),
    (SingleThreadedAgentRuntime, "_process_next"),
    (SingleThreadedAgentRuntime, "_process_publish"),
    (SingleThreadedAgentRuntime, "_try_serialize"),
    (SingleThreadedAgentRuntime, "_create_otel_attributes"),
    (TraceHelper, "trace_block"),
    (BaseAgent, "on_message"),
    (RoutedAgent, "on_message_impl"),
    (SequentialRoutedAgent, "on_message_impl"),
    (BaseGroupChatManager, "handle_group_chat_message"),
)


@pytest.mark.parametrize(
    ("cls", "name"), METHODS, ids=lambda given: getattr(given, "__name__", given)
)
def test_each_method_is_known_by_its_code(cls: type, name: str) -> None:
    """Each method that is left out is AutoGen's own as defined; its decorators are known."""
    assert Method(cls, name).is_plain()


async def _ready() -> tuple[RoundRobinGroupChat, Any, Any]:
    """Return a team after its first run, its runtime and its manager."""
    group = team(Agent("a"), turns=1)
    await group.run(task="go")
    runtime: Any = group._runtime
    agents = runtime._instantiated_agents.values()
    return group, runtime, next(a for a in agents if isinstance(a, BaseGroupChatManager))


def _source(function: Any) -> str:
    return "".join(inspect.getsource(function).split())


# -- telemetry ----------------------------------------------------------------------------------


def test_tracer_helper_is_a_trace_helper_with_a_tracer() -> None:
    """`_tracer_helper` is a `TraceHelper`; its `tracer` is a proxy of a later one."""
    helper = SingleThreadedAgentRuntime()._tracer_helper
    assert type(helper) is TraceHelper
    assert type(helper.tracer) is ProxyTracer
    assert type(helper.tracer._tracer) is NoOpTracer


def test_trace_block_makes_a_span_and_does_nothing_else() -> None:
    """`trace_block` is the tracer's `start_as_current_span`, and its span is not used."""
    helper: Any = TraceHelper
    assert _source(helper.trace_block).endswith(")asspan:yieldspan")
    runtime = _source(SingleThreadedAgentRuntime)
    assert "trace_block(" in runtime
    assert ")as" not in "".join(part[:200] for part in runtime.split("trace_block(")[1:])


def test_try_serialize_is_for_logs_and_attributes_only() -> None:
    """The result of `_try_serialize` goes into log events and a span's attributes only."""
    source = _source(SingleThreadedAgentRuntime)
    uses = source.count("self._try_serialize(")
    assert uses == source.count("payload=self._try_serialize(") + 1
    assert "serialized_message=self._try_serialize(message)" in source


async def test_create_otel_attributes_makes_the_agents_and_nothing_else() -> None:
    """`_create_otel_attributes` gets sender and recipient by `_get_agent`, for the span alone."""
    source = _source(SingleThreadedAgentRuntime._create_otel_attributes)
    assert source.count("await") == source.count("awaitself._get_agent(") == 2
    uses = _source(SingleThreadedAgentRuntime)
    assert uses.count("attributes=awaitself._create_otel_attributes(") == 3
    _, runtime, manager = await _ready()
    assert await runtime._get_agent(manager.id) is manager
    with pytest.raises(LookupError):
        await runtime._get_agent(AgentId("nobody", "key"))


def test_the_runtime_logs_to_these_two() -> None:
    """The runtime logs to `autogen_core` and `autogen_core.events`."""
    assert _single_threaded_agent_runtime.logger is logging.getLogger("autogen_core")
    assert _single_threaded_agent_runtime.event_logger is logging.getLogger("autogen_core.events")


# -- the shortcut -------------------------------------------------------------------------------


def test_log_message_publishes_to_the_output() -> None:
    """A member's events are published to the output topic as `GroupChatMessage`."""
    source = _source(ChatAgentContainer._log_message)
    assert "self.publish_message(GroupChatMessage(message=message)," in source
    assert "DefaultTopicId(type=self._output_topic_type)" in source


def test_publish_message_goes_through_the_runtime() -> None:
    """An agent publishes by its runtime's `publish_message`, with itself as `sender`."""
    assert "self._runtime.publish_message(message,topic_id,sender=self.id" in _source(
        BaseAgent.publish_message
    )


def test_publish_message_puts_an_envelope_and_does_nothing_else() -> None:
    """`publish_message` awaits nothing but `put()` of the runtime's queue."""
    source = _source(SingleThreadedAgentRuntime.publish_message)
    assert source.count("await") == source.count("awaitself._message_queue.put(") == 1


def test_the_handler_puts_a_chunk_into_the_output() -> None:
    """`handle_group_chat_message` is `put()` of the output queue, and nothing else."""
    source = _source(BaseGroupChatManager.handle_group_chat_message)
    assert source.endswith("awaitself._output_message_queue.put(message.message)")


async def test_the_manager_has_that_one_handler() -> None:
    """`_handlers` of the manager holds the one handler of `GroupChatMessage`."""
    _, __, manager = await _ready()
    assert manager._handlers[GroupChatMessage] == [BaseGroupChatManager.handle_group_chat_message]


async def test_on_message_leads_to_the_handler() -> None:
    """`on_message` calls `on_message_impl`, whose base calls the handler."""
    group, _, manager = await _ready()
    topic = DefaultTopicId(group._output_topic_type, group._team_id)
    context = MessageContext(
        sender=None,
        topic_id=topic,
        is_rpc=False,
        cancellation_token=CancellationToken(),
        message_id="",
    )
    chunk = Chunk(content="x", source="a")
    await manager.on_message(GroupChatMessage(message=chunk), context)
    assert group._output_message_queue.get_nowait() is chunk


async def test_team_and_manager_share_topic_type_and_queue() -> None:
    """The manager has the team's output topic and queue; the team knows the manager's type."""
    group, _, manager = await _ready()
    assert manager._output_topic_type == group._output_topic_type
    assert manager._output_message_queue is group._output_message_queue
    assert type(group._output_message_queue) is asyncio.Queue
    assert manager.id == AgentId(group._group_chat_manager_topic_type, group._team_id)


async def test_subscribed_recipients_knows_who_hears_of_the_output() -> None:
    """`_subscribed_recipients` maps the output topic to the manager alone, after a run."""
    group, runtime, manager = await _ready()
    topic = DefaultTopicId(group._output_topic_type, group._team_id)
    assert runtime._subscription_manager._subscribed_recipients.get(topic) == [manager.id]


async def test_the_sender_does_not_hear_itself() -> None:
    """A message is not delivered to the agent that publishes it."""
    group, runtime, manager = await _ready()
    topic = DefaultTopicId(group._output_topic_type, group._team_id)
    runtime.start()
    chunk = GroupChatMessage(message=Chunk(content="x", source="a"))
    await runtime.publish_message(chunk, topic, sender=manager.id)
    await runtime.stop_when_idle()
    assert group._output_message_queue.empty()


def test_intervention_handlers_are_none_of_a_team() -> None:
    """`_intervention_handlers` is what the runtime was made with."""
    handlers: list[Any] = [object()]
    runtime = SingleThreadedAgentRuntime(intervention_handlers=handlers)
    assert runtime._intervention_handlers is handlers
    assert SingleThreadedAgentRuntime()._intervention_handlers is None


def test_envelopes_tell_who_has_sent_them() -> None:
    """Each envelope has a `sender`."""
    for cls in (PublishMessageEnvelope, SendMessageEnvelope, ResponseMessageEnvelope):
        assert "sender" in {field.name for field in dataclasses.fields(cls)}


def test_the_runtimes_queue_says_whether_it_is_shut() -> None:
    """`_is_shutdown` of the runtime's queue is set by `shutdown()`."""
    queue: Any = SingleThreadedAgentRuntime()._message_queue
    assert queue._is_shutdown is False
    queue.shutdown(immediate=True)
    assert queue._is_shutdown is True


async def test_who_waits_for_a_queue_is_among_its_getters() -> None:
    """`_getters` of asyncio's queue holds its waiters until they are woken; `_queue` its items."""
    queue: Any = asyncio.Queue[str]()
    getting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert [getter.done() for getter in queue._getters] == [False]
    queue.put_nowait("event")
    assert not queue._getters
    assert queue._queue == deque(["event"])
    assert await getting == "event"


async def test_run_stream_waits_by_get_of_the_output() -> None:
    """`run_stream` takes its events one by one, each by a `get()` of the output queue."""
    source = _source(BaseGroupChat.run_stream)
    assert source.count("_output_message_queue.get()") == 1
    assert "asyncio.ensure_future(self._output_message_queue.get())" in source


async def test_what_run_stream_gives_is_known() -> None:
    """Before its first step the stream's frame knows `self`; a wrapper's frame is another one."""
    group, other = team(Agent("a")), team(Agent("b"))

    async def around(stream: Any) -> Any:
        async for event in stream:
            yield event

    stream: Any = group.run_stream(task="go")
    wrapped: Any = around(stream)
    assert is_read_bare(stream, group)
    assert not is_read_bare(stream, other)
    assert not is_read_bare(wrapped, group)
    await wrapped.aclose()
    await stream.aclose()

"""Contract tests: what the shortcut leaves out, and what it asks before."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import deque
from typing import Any

import pytest
from autogen_agentchat.messages import ModelClientStreamingChunkEvent as Chunk
from autogen_agentchat.teams import BaseGroupChat
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
)
from autogen_core._single_threaded_agent_runtime import (
    PublishMessageEnvelope,
    ResponseMessageEnvelope,
    SendMessageEnvelope,
)
from autogen_core._telemetry import TraceHelper

from supervisor._autogen.upstream import is_read_bare
from supervisor._autogen.upstream.methods import Method
from tests.agents import Agent, team
from tests.unit.autogen.upstream.parts import source_of, team_after_a_run

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


def test_log_message_publishes_to_the_output() -> None:
    """A member's events are published to the output topic as `GroupChatMessage`."""
    source = source_of(ChatAgentContainer._log_message)
    assert "self.publish_message(GroupChatMessage(message=message)," in source
    assert "DefaultTopicId(type=self._output_topic_type)" in source


def test_publish_message_goes_through_the_runtime() -> None:
    """An agent publishes by its runtime's `publish_message`, with itself as `sender`."""
    assert "self._runtime.publish_message(message,topic_id,sender=self.id" in source_of(
        BaseAgent.publish_message
    )


def test_publish_message_puts_an_envelope_and_does_nothing_else() -> None:
    """`publish_message` awaits nothing but `put()` of the runtime's queue."""
    source = source_of(SingleThreadedAgentRuntime.publish_message)
    assert source.count("await") == source.count("awaitself._message_queue.put(") == 1


def test_the_handler_puts_a_chunk_into_the_output() -> None:
    """`handle_group_chat_message` is `put()` of the output queue, and nothing else."""
    source = source_of(BaseGroupChatManager.handle_group_chat_message)
    assert source.endswith("awaitself._output_message_queue.put(message.message)")


async def test_the_manager_has_that_one_handler() -> None:
    """`_handlers` of the manager holds the one handler of `GroupChatMessage`."""
    _, __, manager = await team_after_a_run()
    assert manager._handlers[GroupChatMessage] == [BaseGroupChatManager.handle_group_chat_message]


async def test_on_message_leads_to_the_handler() -> None:
    """`on_message` calls `on_message_impl`, whose base calls the handler."""
    group, _, manager = await team_after_a_run()
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
    group, _, manager = await team_after_a_run()
    assert manager._output_topic_type == group._output_topic_type
    assert manager._output_message_queue is group._output_message_queue
    assert type(group._output_message_queue) is asyncio.Queue
    assert manager.id == AgentId(group._group_chat_manager_topic_type, group._team_id)


async def test_subscribed_recipients_knows_who_hears_of_the_output() -> None:
    """`_subscribed_recipients` maps the output topic to the manager alone, after a run."""
    group, runtime, manager = await team_after_a_run()
    topic = DefaultTopicId(group._output_topic_type, group._team_id)
    assert runtime._subscription_manager._subscribed_recipients.get(topic) == [manager.id]


async def test_the_sender_does_not_hear_itself() -> None:
    """A message is not delivered to the agent that publishes it."""
    group, runtime, manager = await team_after_a_run()
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
    source = source_of(BaseGroupChat.run_stream)
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

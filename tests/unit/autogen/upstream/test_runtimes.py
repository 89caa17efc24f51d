"""Contract tests: runtimes, their message loops, queues, counts and envelopes."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
from collections import deque
from typing import Any

import pytest
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.teams._group_chat._events import (
    GroupChatAgentResponse,
    GroupChatMessage,
    GroupChatRequestPublish,
    GroupChatReset,
    GroupChatStart,
    GroupChatTeamResponse,
    GroupChatTermination,
)
from autogen_core import (
    CancellationToken,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TopicId,
    TypeSubscription,
    _single_threaded_agent_runtime,
    event,
)
from autogen_core._single_threaded_agent_runtime import (
    PublishMessageEnvelope,
    ResponseMessageEnvelope,
    RunContext,
    SendMessageEnvelope,
)

from supervisor._autogen import upstream
from supervisor._autogen.kinds import ENGINE
from supervisor._autogen.upstream import Engine
from tests.agents import Agent, team
from tests.unit.autogen.upstream.parts import (
    code_of,
    delivered,
    group_after_a_run,
    names_of,
    tasks_created,
    team_at_work,
)


async def test_process_publish_is_a_handlers_task() -> None:
    """`_process_publish` is the coroutine of the task in which an event is handled."""
    async with team_at_work() as (_, runtime):
        codes = {code_of(task) for task in runtime._background_tasks}
    assert SingleThreadedAgentRuntime._process_publish.__code__ in codes


@pytest.mark.parametrize("name", ["_process_send", "_process_response"])
def test_process_send_and_response_are_coroutines(name: str) -> None:
    """`_process_send` and `_process_response` are started as tasks of their own, like publish."""
    assert inspect.iscoroutinefunction(getattr(SingleThreadedAgentRuntime, name))
    assert f"create_task(self.{name}(" in inspect.getsource(SingleThreadedAgentRuntime)


async def test_background_tasks_are_the_handlers() -> None:
    """`_background_tasks` holds a task for each active handler, and none when idle."""
    async with team_at_work() as (_, runtime):
        assert len(runtime._background_tasks) == 1
        runtime_after = runtime
    assert not runtime_after._background_tasks


async def test_stopped_ends_the_message_loop() -> None:
    """With `_stopped` set and the queue shut, the message loop ends by itself."""
    runtime = SingleThreadedAgentRuntime()
    context = RunContext(runtime)
    await asyncio.sleep(0)
    context._stopped.set()
    runtime._message_queue.shutdown(immediate=True)  # type: ignore[attr-defined]
    await context._run_task


async def test_message_queue_counts_and_shuts() -> None:
    """The queue counts unfinished messages; shut at once it drops them, with exact counts."""
    queue: Any = SingleThreadedAgentRuntime()._message_queue
    queue.put_nowait("in work")
    queue.put_nowait("waiting")
    queue.get_nowait()
    queue.shutdown(immediate=True)
    assert queue._unfinished_tasks == 1
    queue.task_done()
    await queue.join()
    # AutoGen's own copy of the class before Python 3.13, asyncio's from there on.
    with pytest.raises(vars(_single_threaded_agent_runtime)["QueueShutDown"]):
        queue.put_nowait("late")


async def test_background_exception_is_raised_by_the_next_message_loop() -> None:
    """`_background_exception` outlives its run, and is raised by the next one's loop."""
    runtime = SingleThreadedAgentRuntime()
    runtime._background_exception = ValueError("of the last run")
    runtime.start()
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="of the last run"):
        await runtime.stop()


async def test_a_handler_at_work_is_known_by_its_coroutine() -> None:
    """`delivery_of` finds a handler's message by its coroutine, before its first step too."""
    async with team_at_work() as (group, runtime):
        [task] = runtime._background_tasks
        found = upstream.delivery_of(task.get_coro())
    assert found is not None
    assert (found.runtime, found.key) == (runtime, group._team_id)
    assert isinstance(found.message, GroupChatRequestPublish)
    envelope = PublishMessageEnvelope(
        message="of a user's",
        cancellation_token=CancellationToken(),
        sender=None,
        topic_id=TopicId("topic", "key"),
        message_id="1",
    )
    coro = runtime._process_publish(envelope)
    found = upstream.delivery_of(coro)
    coro.close()
    assert found is not None
    assert found.address == "topic"


async def test_a_wrapped_handler_is_known_from_its_first_step_on() -> None:
    """Before that nothing shows what a wrapper will wait for."""
    runtime, may_end = SingleThreadedAgentRuntime(), asyncio.Event()

    async def _process_publish(self: object, message_envelope: PublishMessageEnvelope) -> None:
        await may_end.wait()

    async def wrapper() -> None:
        await _process_publish(runtime, envelope)

    envelope = PublishMessageEnvelope(
        message="of a user's",
        cancellation_token=CancellationToken(),
        sender=None,
        topic_id=TopicId("topic", "key"),
        message_id="1",
    )
    task = asyncio.ensure_future(wrapper())
    assert upstream.delivery_of(task.get_coro()) is None
    await asyncio.sleep(0)
    found = upstream.delivery_of(task.get_coro())
    may_end.set()
    await task
    assert found is not None
    assert found.address == "topic"


def _fields(cls: type) -> set[str]:
    return {field.name for field in dataclasses.fields(cls)}


def test_envelope_fields() -> None:
    """Each envelope holds the message, its recipient, and the token that cancels it."""
    assert {"message", "topic_id", "cancellation_token"} <= _fields(PublishMessageEnvelope)
    assert {"message", "recipient", "cancellation_token", "future"} <= _fields(SendMessageEnvelope)
    assert {"message", "sender", "future"} <= _fields(ResponseMessageEnvelope)


async def test_message_queue_queue_holds_what_waits_in_order() -> None:
    """`_queue` of the runtime's queue is a deque of the waiting messages, the oldest first."""
    runtime, token = SingleThreadedAgentRuntime(), CancellationToken()
    for number in (1, 2):
        topic = TopicId(f"topic{number}", "key")
        await runtime.publish_message(GroupChatReset(), topic, cancellation_token=token)
    queue: Any = runtime._message_queue
    assert type(queue._queue) is deque
    found = upstream.queued(runtime)
    assert [(d.address, d.key, d.is_sent) for d in found] == [
        ("topic1", "key", False),
        ("topic2", "key", False),
    ]
    assert all(d.token is token and d.runtime is runtime for d in found)


async def test_a_sent_message_is_one_of_a_key() -> None:
    """A sent message has its recipient's type and key; the first to a team is its start."""
    group = team(Agent("a"), turns=1)
    token = CancellationToken()
    with tasks_created() as created:
        await group.run(task="go", cancellation_token=token)
    starts = [d for d in delivered(created) if d.is_sent and isinstance(d.message, GroupChatStart)]
    assert [(d.key, d.is_sent, d.token is token) for d in starts] == [(group._team_id, True, True)]


async def test_what_a_team_says_to_itself() -> None:
    """A turn is a `GroupChatRequestPublish` to the member; its answer goes to the group."""
    inner = RoundRobinGroupChat([Agent("b")], max_turns=1, name="inner")
    with tasks_created() as created:
        group = await group_after_a_run(team(Agent("a"), inner, turns=2))
    found = [d for d in delivered(created) if not d.is_sent]
    said: list[tuple[Any, str]] = [
        (type(d.message), d.address) for d in found if d.key == group.key
    ]
    assert group.topic == group.manager._group_topic_type
    asked = [group.name_at(to) for what, to in said if what is GroupChatRequestPublish]
    assert asked == ["a", "inner"]
    for answer in (GroupChatStart, GroupChatAgentResponse, GroupChatTeamResponse):
        assert (answer, group.topic) in said, answer
    for told in (GroupChatMessage, GroupChatTermination):
        assert any(what is told and to != group.topic for what, to in said), told


async def test_engine_shuts_and_settles_a_message_loop() -> None:
    """`_message_queue`, `_unfinished_tasks` and `_run_context` are what `Engine` takes them for."""
    runtime = SingleThreadedAgentRuntime()
    with tasks_created() as created:
        runtime.start()
    [context] = [names["self"] for names in names_of(created, ENGINE)]
    engine = Engine(context)
    assert runtime._run_context is context
    await runtime.publish_message(GroupChatReset(), TopicId("nobody", "key"))
    assert len(engine.queued()) == 1
    engine.close_intake()
    assert not engine.queued()
    assert engine.settle_count()
    await runtime.stop_when_idle()
    assert runtime._run_context is None


class _Raising(RoutedAgent):
    @event
    async def handle(self, message: GroupChatReset, ctx: MessageContext) -> None:
        raise ValueError("the handler's own")


@pytest.mark.parametrize("ignores_errors", [False, True])
async def test_ignore_unhandled_handler_exceptions_is_looked_at_each_time(
    ignores_errors: bool,
) -> None:
    """`_ignore_unhandled_handler_exceptions` is read each time that a handler raises."""
    runtime = SingleThreadedAgentRuntime(ignore_unhandled_exceptions=False)
    await _Raising.register(runtime, "raising", lambda: _Raising("It raises."))
    await runtime.add_subscription(TypeSubscription("topic", "raising"))
    runtime.start()
    shared = upstream.SharedRuntime(runtime)
    if ignores_errors:
        shared.ignore_errors()
    await runtime.publish_message(GroupChatReset(), TopicId("topic", "key"))
    if ignores_errors:
        await runtime.stop_when_idle()
    else:
        with pytest.raises(ValueError, match="the handler's own"):
            await runtime.stop_when_idle()
    shared.restore()
    assert not runtime._ignore_unhandled_handler_exceptions

"""The shortcut's conditions: where anything observes the chunks, they go AutoGen's way."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.messages import ModelClientStreamingChunkEvent as Chunk
from autogen_agentchat.teams import BaseGroupChat, RoundRobinGroupChat
from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_agentchat.teams._group_chat._events import GroupChatMessage
from autogen_core import (
    ClosureAgent,
    ClosureContext,
    DefaultInterventionHandler,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TypeSubscription,
)
from autogen_core._telemetry import TraceHelper

from supervisor import Supervisor
from supervisor._autogen.upstream import shortcut
from tests.agents import Streaming as Steady
from tests.agents import team
from tests.unit.autogen.streaming import (
    Recorder,
    Streaming,
    Violation,
    counting_calls,
    logged,
    runtime_of,
    stream,
    through_runtime,
)


def _manager(group: BaseGroupChat) -> Any:
    agents = runtime_of(group)._instantiated_agents.values()
    return next(agent for agent in agents if isinstance(agent, BaseGroupChatManager))


class Interceptor(DefaultInterventionHandler):
    """An intervention handler that counts the published chunks."""

    def __init__(self) -> None:
        self.seen = 0

    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
        """Count the chunks."""
        self.seen += isinstance(getattr(message, "message", None), Chunk)
        return message


@asynccontextmanager
async def _intercepted(group: BaseGroupChat) -> AsyncGenerator[None]:
    handler, runtime = Interceptor(), runtime_of(group)
    runtime._intervention_handlers = [handler]  # pyright: ignore[reportAttributeAccessIssue]
    yield
    assert handler.seen == 4


@contextmanager
def _traced(group: BaseGroupChat) -> Generator[Recorder]:
    recorder = Recorder()
    runtime_of(group)._tracer_helper.tracer = recorder
    yield recorder
    assert sum(name.startswith("autogen create output_topic") for name in recorder.spans) >= 4


@asynccontextmanager
async def _subscribed(group: BaseGroupChat) -> AsyncGenerator[None]:
    heard = list[str]()

    async def listen(_: ClosureContext, message: GroupChatMessage, __: MessageContext) -> None:
        said = getattr(message, "message", None)
        if isinstance(said, Chunk):
            heard.append(said.content)

    topic = group._output_topic_type
    await ClosureAgent.register_closure(
        runtime_of(group),
        "listener",
        listen,
        unknown_type_policy="ignore",
        subscriptions=lambda: [TypeSubscription(topic, "listener")],
    )
    yield
    assert heard == ["0", "1", "2", "3"]


@contextmanager
def _on_the_object(group: BaseGroupChat, name: str = "on_message_impl") -> Generator[None]:
    manager, count = _manager(group), 0
    method = getattr(manager, name)

    async def count_them(*args: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        return await method(*args, **options)

    setattr(manager, name, count_them)
    yield
    assert count >= 4


@contextmanager
def _own_handler(group: BaseGroupChat) -> Generator[None]:
    manager, heard = _manager(group), 0
    (inner,) = manager._handlers[GroupChatMessage]

    async def handle(me: Any, message: GroupChatMessage, ctx: MessageContext) -> None:
        nonlocal heard
        heard += 1
        await inner(me, message, ctx)

    handle.router = inner.router  # type: ignore[attr-defined]
    manager._handlers[GroupChatMessage] = [handle]
    yield
    assert heard >= 4


class Counting(asyncio.Queue[Any]):
    """A user's own queue, which counts."""

    count = 0

    async def put(self, item: Any) -> None:
        """Count the item."""
        self.count += 1
        await super().put(item)


@contextmanager
def _own_queue(group: BaseGroupChat) -> Generator[None]:
    queue = group._output_message_queue = _manager(group)._output_message_queue = Counting()
    yield
    assert queue.count >= 4


@contextmanager
def _bare_helper(group: BaseGroupChat) -> Generator[None]:
    """Give the runtime a trace helper that has no tracer."""
    helper, count = runtime_of(group)._tracer_helper, 0

    class Helper:
        def trace_block(self, *args: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            return helper.trace_block(*args, **options)

    runtime_of(group)._tracer_helper = Helper()  # type: ignore[assignment]
    yield
    assert count >= 4


@contextmanager
def _log_of(group: BaseGroupChat, name: str) -> Generator[None]:
    with logged(name) as log:
        yield
    kept = [record.getMessage() for record in log.kept]
    # AutoGen 0.7.0 says of most messages only that there was one.
    is_brief = any("could not be serialized" in line for line in kept)
    assert is_brief or sum(Chunk.__name__ in line for line in kept) >= 4


VIOLATIONS: dict[str, tuple[str, Violation]] = {
    "an intervention handler": ("nobody intercepts", _intercepted),
    "a log": ("nobody logs", lambda group: _log_of(group, "autogen_core")),
    "a log of events": ("nobody logs", lambda group: _log_of(group, "autogen_core.events")),
    "a tracer": ("nobody traces", _traced),
    "a trace helper": ("nobody traces", _bare_helper),
    "a subscriber": ("nobody but the manager subscribes", _subscribed),
    "a manager's method": ("the manager relays as AutoGen's does", _on_the_object),
    "a manager's handler": ("the manager relays as AutoGen's does", _own_handler),
    "a queue": ("the team reads what it relays", _own_queue),
    **{
        f"a wrapper on {cls.__name__}.{name}": (
            "what is left out is AutoGen's own",
            counting_calls(cls, name),
        )
        for cls, name in (
            (SingleThreadedAgentRuntime, "publish_message"),
            (SingleThreadedAgentRuntime, "_process_next"),
            (TraceHelper, "trace_block"),
            (RoutedAgent, "on_message_impl"),
        )
    },
}


_BY_OTHER_TESTS = {
    "the runtime is at work for this run",  # test_a_kept_override_does_what_autogens_method_does
    "it takes messages",  # test_a_shut_runtime_takes_nothing
    "nothing else is on its way",  # test_a_chunk_does_not_overtake_what_was_said_before
}


def test_each_condition_has_a_test() -> None:
    """The table of conditions and these tests agree."""
    assert {name for name, _ in VIOLATIONS.values()} | _BY_OTHER_TESTS == set(shortcut.CONDITIONS)


# AutoGen warns of its own answer to the first message, which is None.
@pytest.mark.filterwarnings("ignore:Intervention handler on_response")
@pytest.mark.parametrize("what", VIOLATIONS)
async def test_each_observer_sees_each_chunk(what: str) -> None:
    """Where anything observes the chunks, each goes AutoGen's way, and all arrive."""
    condition, violate = VIOLATIONS[what]
    group = team(Streaming(), turns=1)
    await group.run(task="before")  # which makes the manager
    async with contextlib.AsyncExitStack() as stack:
        made = violate(group)
        if isinstance(made, AbstractContextManager):
            stack.enter_context(made)  # pyright: ignore[reportUnknownArgumentType]
        else:
            await stack.enter_async_context(made)
        with through_runtime() as found:
            seen = await stream(group)
    assert found == ["0", "1", "2", "3"], condition
    assert sum(kind == Chunk.__name__ for kind, _, _ in seen) == 4


@pytest.mark.parametrize("where", ["class", "object"])
async def test_a_runtime_that_publishes_in_its_own_way_sees_each_chunk(where: str) -> None:
    """A method of a user's subclass, or on the runtime itself, is not replaced."""
    published = list[object]()

    async def publish(self: Any, message: Any, *args: Any, **options: Any) -> None:
        published.append(getattr(message, "message", None))
        await SingleThreadedAgentRuntime.publish_message(self, message, *args, **options)

    class Own(SingleThreadedAgentRuntime):
        publish_message = publish

    group = team(Streaming(), turns=1)
    if where == "class":
        group._runtime = Own(ignore_unhandled_exceptions=False)
    else:
        runtime = runtime_of(group)
        vars(runtime)["publish_message"] = functools.partial(publish, runtime)
    await stream(group)
    assert sum(isinstance(item, Chunk) for item in published) == 4


async def test_a_wrapper_in_mid_run_sees_the_rest() -> None:
    """The conditions are asked for each chunk: a later observer sees all chunks from then on."""
    group, stack = team(Steady(n=6, pause=1e-6), turns=1), contextlib.ExitStack()
    with through_runtime() as found, stack:
        async with Supervisor(signals={}) as sup:
            async for event in sup.stream(group, "go"):
                if isinstance(event, Chunk) and event.content == "1":
                    stack.enter_context(logged("autogen_core"))
    assert found
    assert found == ["2", "3", "4", "5"][-len(found) :]


async def test_a_wrapper_around_run_stream_sees_each_event() -> None:
    """Where a wrapper iterates `run_stream`, it sees each chunk."""
    seen = list[object]()

    class Watching(RoundRobinGroupChat):
        async def run_stream(self, **options: Any) -> AsyncGenerator[Any, None]:
            async for event in super().run_stream(**options):
                seen.append(event)
                yield event

    with through_runtime() as found:
        await stream(Watching([Streaming()], max_turns=1))
    assert sum(isinstance(event, Chunk) for event in seen) == 4
    assert not found  # past the runtime all the same


WRAPPED_BEFORE = """
    import asyncio, functools
    from autogen_core import SingleThreadedAgentRuntime as Runtime

    publish, chunks = Runtime.publish_message, 0

    @functools.wraps(publish)
    async def wrapper(self, message, *args, **options):
        global chunks
        chunks += type(getattr(message, "message", None)).__name__.startswith("ModelClient")
        await publish(self, message, *args, **options)

    Runtime.publish_message = wrapper

    from supervisor import Supervisor
    from tests.agents import Streaming, team

    async def main():
        async with Supervisor(signals={}) as sup:
            await sup.stream(team(Streaming(n=3), turns=1), "go")

    asyncio.run(main())
    print(chunks)
"""


@pytest.mark.process
def test_a_wrapper_installed_before_the_import_is_not_skipped() -> None:
    """A wrapper that was installed before our import is not taken for AutoGen's own method."""
    code = textwrap.dedent(WRAPPED_BEFORE)
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "3"

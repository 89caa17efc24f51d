"""The fast path: the same events as AutoGen's own way, unless somebody looks; all taken back."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.base import ChatAgent, Response, TaskResult, Team
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, ThoughtEvent
from autogen_agentchat.messages import ModelClientStreamingChunkEvent as Chunk
from autogen_agentchat.teams import BaseGroupChat, RoundRobinGroupChat
from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_agentchat.teams._group_chat._events import GroupChatMessage
from autogen_core import (
    CancellationToken,
    ClosureAgent,
    ClosureContext,
    DefaultInterventionHandler,
    DefaultTopicId,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TypeSubscription,
)
from autogen_core._telemetry import TraceHelper
from opentelemetry.trace import (
    NonRecordingSpan,
    NoOpTracer,
    Tracer,
    get_current_span,
    use_span,
)

from supervisor import SettingsError, Supervisor
from supervisor._autogen.upstream import Shortcut, shortcut, telemetry
from supervisor.testing import calls
from tests.agents import Agent, Failing, Stubborn, nested, scripted, team
from tests.agents import Streaming as Steady
from tests.unit.testing.teams import scenarios

AnyTeam = Team | ChatAgent
IN_RESULT = "in the result"


class Streaming(Agent):
    """Streams chunks, with a step of the loop after each where it pauses.

    Args:
        name: Its name.
        n: How many.
        pauses: Whether it gives way to the loop.
        says: Said before each chunk, without a pause in between.
    """

    def __init__(
        self, name: str = "streaming", n: int = 4, *, pauses: bool = True, says: str | None = None
    ) -> None:
        super().__init__(name)
        self.n, self.pauses, self.says = n, pauses, says
        self.spans: list[Any] = []

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        """Stream, and answer."""
        for number in range(self.n):
            self.spans.append(get_current_span())
            if self.says is not None:
                yield ThoughtEvent(content=f"{self.says} {number}", source=self.name)
            yield Chunk(content=str(number), source=self.name)
            if self.pauses:
                await asyncio.sleep(0)
        async for item in super().on_messages_stream(messages, cancellation_token):
            yield item


async def told(events: AsyncIterable[Any]) -> list[tuple[str, str, str]]:
    """What a reader sees: of each event the class, who says it, and what."""
    found = list[tuple[str, str, str]]()
    async for event in events:
        if isinstance(event, TaskResult):
            found += [(IN_RESULT, *_words(message)) for message in event.messages]
        else:
            found.append((type(event).__name__, *_words(event)))
    return found


def _words(event: Any) -> tuple[str, str]:
    return event.source, re.sub(r"call-[0-9a-f]+", "call", str(event.to_text()))


@contextmanager
def through_runtime() -> Generator[list[str]]:
    """The chunks that go through a runtime meanwhile."""
    loop, found = asyncio.get_running_loop(), list[str]()

    def make(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        if getattr(coro, "__name__", "") == "_process_publish":
            message = getattr(coro.cr_frame.f_locals["message_envelope"].message, "message", None)
            if isinstance(message, Chunk):
                found.append(message.content)
        return asyncio.Task(coro, loop=loop, **options)

    loop.set_task_factory(make)
    try:
        yield found
    finally:
        loop.set_task_factory(None)


async def stream(group: AnyTeam, *, fast_path: bool = True) -> list[tuple[str, str, str]]:
    """Run it under a supervisor."""
    seen = list[tuple[str, str, str]]()
    async with Supervisor(signals={}, fast_path=fast_path) as sup:
        seen += await told(sup.stream(group, "go"))
    return seen


# -- the same events ----------------------------------------------------------------------------

TEAMS: dict[str, Callable[[], Any]] = {
    "a burst": lambda: team(Streaming(pauses=False), turns=2),
    "one by one": lambda: team(Streaming(), turns=2),
    "messages between": lambda: team(Streaming(says="thus"), turns=2),
    "messages between, in a burst": lambda: team(Streaming(says="thus", pauses=False), turns=2),
    "two": lambda: team(Streaming(), Streaming("other", 3, pauses=False)),
    "nested": lambda: nested(Streaming(), 3),
    "nested bursts": lambda: nested(Streaming(pauses=False), 3),
    "with tools": lambda: team(
        scripted("caller", [calls("_tool"), "one two", "three"], _tool, streams=True), turns=2
    ),
    "an agent": Streaming,
    **{name: scenario.make for name, scenario in scenarios().items() if name != "shared"},
}


async def _tool() -> str:
    return "found"


@pytest.mark.parametrize("name", TEAMS)
async def test_the_same_events_in_the_same_order(name: str) -> None:
    """A reader cannot tell the fast path from AutoGen's own way; the result is the same, too."""
    bare = await told(_opened(TEAMS[name]()).run_stream(task="go"))
    seen = await stream(_opened(TEAMS[name]()))
    assert _yielded(seen) == _yielded(bare)
    assert seen == await stream(_opened(TEAMS[name]()), fast_path=False)


def _yielded(seen: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    return [item for item in seen if item[0] != IN_RESULT]


def _opened(made: Any) -> Any:
    if not hasattr(made, "run_stream"):
        pytest.skip("has to be closed")
    return made


@pytest.mark.parametrize("name", ["a burst", "one by one", "two", "nested", "nested bursts"])
async def test_chunks_go_past_the_runtime(name: str) -> None:
    """Where nobody looks, no chunk goes through a runtime; at any depth."""
    with through_runtime() as found:
        await stream(TEAMS[name]())
    assert not found


@pytest.mark.parametrize("pauses", [True, False])
async def test_a_chunk_does_not_overtake_what_was_said_before(pauses: bool) -> None:
    """A chunk behind a message that is still on its way goes the same way."""
    group = team(Streaming(n=1, says="before", pauses=pauses), turns=1)
    with through_runtime() as found:
        seen = await stream(group)
    assert found == ["0"]
    assert [kind for kind, _, _ in seen].index("ThoughtEvent") < [
        kind for kind, _, _ in seen
    ].index("ModelClientStreamingChunkEvent")


async def test_a_slow_reader_is_not_run_over() -> None:
    """No more events wait for a reader than without; the rest waits where AutoGen keeps them."""
    most, numbers = 0, list[str]()
    group = team(Agent(), Streaming(n=1000, pauses=False), turns=2)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(group, "go")
        async for event in run:
            most = max(most, run._channel.waiting)
            if isinstance(event, Chunk):
                numbers.append(event.content)
            for _ in range(20):  # steps in which the driver gets ahead
                await asyncio.sleep(0)
    assert numbers == [str(number) for number in range(1000)]
    assert 200 < most <= 256


@pytest.mark.parametrize("fast_path", [True, False])
async def test_the_last_chunk_before_a_failure(fast_path: bool) -> None:
    """A chunk right before its agent fails is seen; AutoGen, by itself, loses it."""
    bare = await _chunks_until_it_fails(team(Failing(chunks=3)).run_stream(task="go"))
    async with Supervisor(signals={}, fast_path=fast_path) as sup:
        seen = await _chunks_until_it_fails(sup.stream(team(Failing(chunks=3)), "go"))
    assert bare == ["0", "1"]
    assert seen == (["0", "1", "2"] if fast_path else bare)


async def _chunks_until_it_fails(events: AsyncIterable[object]) -> list[str]:
    seen = list[str]()
    try:
        async for event in events:
            if isinstance(event, Chunk):
                seen.append(event.content)
    except RuntimeError as error:
        assert "the agent's own" in str(error)  # noqa: PT017 - what was seen before counts as well
        return seen
    pytest.fail("it did not fail")


# -- the conditions of the shortcut -------------------------------------------------------------

Violation = Callable[[BaseGroupChat], Any]


def _runtime(group: BaseGroupChat) -> SingleThreadedAgentRuntime:
    assert isinstance(group._runtime, SingleThreadedAgentRuntime)
    return group._runtime


def _manager(group: BaseGroupChat) -> Any:
    agents = _runtime(group)._instantiated_agents.values()
    return next(agent for agent in agents if isinstance(agent, BaseGroupChatManager))


class Interceptor(DefaultInterventionHandler):
    """Sees what is published."""

    def __init__(self) -> None:
        self.seen = 0

    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
        """Count the chunks."""
        self.seen += isinstance(getattr(message, "message", None), Chunk)
        return message


@asynccontextmanager
async def _intercepted(group: BaseGroupChat) -> AsyncGenerator[None]:
    handler, runtime = Interceptor(), _runtime(group)
    runtime._intervention_handlers = [handler]  # pyright: ignore[reportAttributeAccessIssue]
    yield
    assert handler.seen == 4


class Records(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.kept.append(record)


@contextmanager
def _logged(name: str) -> Generator[Records]:
    logger, handler = logging.getLogger(name), Records()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class Recorder(NoOpTracer):
    """A tracer that remembers the names of its spans."""

    def __init__(self) -> None:
        self.spans: list[str] = []

    def start_as_current_span(self, name: str, *args: Any, **options: Any) -> Any:
        """Remember it."""
        self.spans.append(name)
        return super().start_as_current_span(name, *args, **options)


@contextmanager
def _traced(group: BaseGroupChat) -> Generator[Recorder]:
    recorder = Recorder()
    _runtime(group)._tracer_helper.tracer = recorder
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
        _runtime(group),
        "listener",
        listen,
        unknown_type_policy="ignore",
        subscriptions=lambda: [TypeSubscription(topic, "listener")],
    )
    yield
    assert heard == ["0", "1", "2", "3"]


def _wrapped(cls: Any, name: str) -> Violation:
    """Count the calls of a method of AutoGen's, as a tracing library does."""

    @contextmanager
    def wrap(_: BaseGroupChat) -> Generator[None]:
        method, count = getattr(cls, name), 0

        @functools.wraps(method)
        def wrapper(*args: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            return method(*args, **options)

        setattr(cls, name, wrapper)
        try:
            yield
            assert count >= 4
        finally:
            setattr(cls, name, method)

    return wrap


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
    """A queue of somebody's own."""

    count = 0

    async def put(self, item: Any) -> None:
        """Count it."""
        self.count += 1
        await super().put(item)


@contextmanager
def _own_queue(group: BaseGroupChat) -> Generator[None]:
    queue = group._output_message_queue = _manager(group)._output_message_queue = Counting()
    yield
    assert queue.count >= 4


@contextmanager
def _bare_helper(group: BaseGroupChat) -> Generator[None]:
    """A trace helper of somebody's own, which has no tracer."""
    helper, count = _runtime(group)._tracer_helper, 0

    class Helper:
        def trace_block(self, *args: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            return helper.trace_block(*args, **options)

    _runtime(group)._tracer_helper = Helper()  # type: ignore[assignment]
    yield
    assert count >= 4


@contextmanager
def _log_of(group: BaseGroupChat, name: str) -> Generator[None]:
    with _logged(name) as log:
        yield
    assert sum(Chunk.__name__ in record.getMessage() for record in log.kept) >= 4


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
            _wrapped(cls, name),
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
    "the runtime is at work for this run",  # test_what_was_kept_is_autogens_way
    "it takes messages",  # test_a_shut_runtime_takes_nothing
    "nothing else is on its way",  # test_a_chunk_does_not_overtake_what_was_said_before
}


def test_each_condition_has_a_test() -> None:
    """The table of conditions and these tests do not come apart."""
    assert {name for name, _ in VIOLATIONS.values()} | _BY_OTHER_TESTS == set(shortcut.CONDITIONS)


# AutoGen warns of its own answer to the first message, which is None.
@pytest.mark.filterwarnings("ignore:Intervention handler on_response")
@pytest.mark.parametrize("what", VIOLATIONS)
async def test_whoever_looks_sees_each_chunk(what: str) -> None:
    """With somebody in between, each chunk goes AutoGen's way, and all arrive."""
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


async def test_a_wrapper_in_mid_run_sees_the_rest() -> None:
    """The conditions are asked for each chunk: who starts to look sees all from there on."""
    group, stack = team(Steady(n=6, pause=1e-6), turns=1), contextlib.ExitStack()
    with through_runtime() as found, stack:
        async with Supervisor(signals={}) as sup:
            async for event in sup.stream(group, "go"):
                if isinstance(event, Chunk) and event.content == "1":
                    stack.enter_context(_logged("autogen_core"))
    assert found
    assert found == ["2", "3", "4", "5"][-len(found) :]


async def test_a_wrapper_around_run_stream_sees_each_event() -> None:
    """Where somebody iterates `run_stream` for us, no chunk goes past him."""
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
    """What is AutoGen's own is not taken from what was found at import."""
    code = textwrap.dedent(WRAPPED_BEFORE)
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "3"


# -- telemetry ----------------------------------------------------------------------------------


async def test_nothing_is_written_out_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody logs or traces, no message is serialized, and no span is made."""
    group, counts = team(Agent("a"), turns=2), dict[str, int]()
    registry = _runtime(group)._serialization_registry
    serialize = registry.serialize

    def count(*args: Any, **options: Any) -> bytes:
        counts["serialized"] = counts.get("serialized", 0) + 1
        return serialize(*args, **options)

    monkeypatch.setattr(registry, "serialize", count)
    await stream(group)
    assert not counts
    await stream(group, fast_path=False)
    assert counts["serialized"] > 0


async def _spans(*, fast_path: bool | None) -> list[str]:
    group, recorder = team(Streaming(), turns=1), Recorder()
    _runtime(group)._tracer_helper.tracer = recorder
    with contextlib.suppress(RuntimeError):
        if fast_path is None:
            await told(group.run_stream(task="go"))
        else:
            await stream(group, fast_path=fast_path)
    return sorted(name.replace(group._team_id, "") for name in recorder.spans)


async def test_a_tracer_gets_each_span() -> None:
    """With a tracer, each span is made that AutoGen makes."""
    bare = await _spans(fast_path=None)
    assert len(bare) > 10
    assert await _spans(fast_path=True) == bare


async def _payloads(*, fast_path: bool | None) -> list[str]:
    group = team(Agent("a"), turns=1)
    with _logged("autogen_core.events") as log:
        if fast_path is None:
            await told(group.run_stream(task="go"))
        else:
            await stream(group, fast_path=fast_path)
    return [re.sub(r"[0-9a-f]{8}-[0-9a-f-]+|\d\d:[\d:.]+Z", "_", r.getMessage()) for r in log.kept]


async def test_a_log_of_events_gets_each_message() -> None:
    """With a log of the runtime's events, each message is written out as AutoGen does."""
    bare = await _payloads(fast_path=None)
    assert len(bare) > 5
    assert await _payloads(fast_path=True) == bare


async def test_a_span_that_is_being_recorded_stays_hidden() -> None:
    """A tracer that makes no spans hides the current one from agents, as AutoGen has it."""

    class Recording(NonRecordingSpan):
        """Stands for a span of an SDK."""

    seen = list[list[type]]()
    for fast_path in (False, True):
        agent = Streaming()
        with use_span(Recording(get_current_span().get_span_context())):
            await stream(team(agent, turns=1), fast_path=fast_path)
        seen.append([type(span) for span in agent.spans])
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (TraceHelper, "trace_block"),
        (SingleThreadedAgentRuntime, "_try_serialize"),
        (SingleThreadedAgentRuntime, "_create_otel_attributes"),
    ],
)
async def test_a_wrapper_on_what_is_left_out_is_called(cls: Any, name: str) -> None:
    """Whoever has wrapped what would be left out is called as often as AutoGen would."""
    with _wrapped(cls, name)(team(Agent())):
        await stream(team(Agent("a"), turns=1))


def test_a_tracer_for_a_later_one_is_asked_each_time() -> None:
    """A tracer that stands for one to be set up later records as soon as that one does."""
    proxy = _runtime(team(Agent()))._tracer_helper.tracer
    assert telemetry.records_nothing(proxy)
    proxy._real_tracer = Recorder()  # type: ignore[attr-defined]
    assert not telemetry.records_nothing(proxy)
    assert telemetry.records_nothing(NoOpTracer())
    assert not telemetry.records_nothing(_Wrapping(NoOpTracer()))


class _Wrapping(Tracer):
    """A tracer of somebody's own, around one that makes no spans."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self.start_span = tracer.start_span  # type: ignore[method-assign]
        self.start_as_current_span = tracer.start_as_current_span  # type: ignore[method-assign]

    def start_span(self, *args: Any, **options: Any) -> Any:
        raise NotImplementedError

    def start_as_current_span(self, *args: Any, **options: Any) -> Any:
        raise NotImplementedError


# -- taken back, and left alone -----------------------------------------------------------------


def _as_made(group: BaseGroupChat) -> bool:
    """Whether its runtime has nothing but its own methods."""
    runtime = _runtime(group)
    names = {"publish_message", "_try_serialize", "_create_otel_attributes"}
    return not names & vars(runtime).keys() and "trace_block" not in vars(runtime._tracer_helper)


async def _read_first(sup: Supervisor, group: BaseGroupChat) -> None:
    async for event in sup.stream(group, "go"):
        if isinstance(event, Chunk):
            break


async def _stop_amid(sup: Supervisor, group: BaseGroupChat) -> None:
    async for event in sup.stream(group, "go"):
        if isinstance(event, Chunk):
            sup.stop("Enough")


@pytest.mark.parametrize("way", [_read_first, _stop_amid])
async def test_all_is_taken_back_after_a_stop(way: Callable[..., Any]) -> None:
    """However a run ends, its teams' runtimes are as they were made; those within it too."""
    inner = RoundRobinGroupChat([Steady(n=50, pause=1e-6)], max_turns=1, name="inner")
    outer = team(inner, turns=1)
    was_changed = list[bool]()
    async with Supervisor(signals={}) as sup:
        sup.on_stop(lambda _: was_changed.append(not _as_made(outer)))
        await way(sup, outer)
    assert was_changed in ([True], [])
    assert _as_made(outer)
    assert _as_made(inner)


async def test_all_is_taken_back_after_a_failure() -> None:
    """Also where an agent fails."""
    group = team(Failing(chunks=1))
    with pytest.raises(RuntimeError):
        await stream(group)
    assert _as_made(group)


async def test_all_is_taken_back_from_a_team_in_quarantine() -> None:
    """Also where a handler refuses to end."""
    stubborn = Stubborn()
    group = team(stubborn)
    async with Supervisor(signals={}) as sup:
        run = asyncio.create_task(sup.stream(group, "go"))
        await stubborn.is_working.wait()
        assert not _as_made(group)
        sup.stop("Enough")
        for _ in range(20):  # steps in which the message loop ends
            await asyncio.sleep(0)
        assert _as_made(group)
        stubborn.let_go.set()
        await asyncio.wait([run])


async def test_what_somebody_put_there_stays() -> None:
    """A wrapper of somebody's around ours, on the object, is not ours to take off."""
    group, published = team(Streaming(), turns=1), list[Any]()
    runtime: Any = _runtime(group)

    def wrap(inner: Any) -> Any:
        async def wrapper(message: Any, *args: Any, **options: Any) -> None:
            published.append(getattr(message, "message", None))
            await inner(message, *args, **options)

        return wrapper

    async with Supervisor(signals={}) as sup:
        async for event in sup.stream(group, "go"):
            if not published and isinstance(event, Chunk):
                put = runtime.publish_message = wrap(runtime.publish_message)
    assert runtime.publish_message is put
    published.clear()
    await told(group.run_stream(task="go"))
    assert sum(isinstance(message, Chunk) for message in published) == 4


async def test_what_was_kept_is_autogens_way() -> None:
    """Our function, where somebody has kept it, does what AutoGen's does once the run is over."""
    group, kept = team(Streaming(), turns=1), list[Any]()
    async with Supervisor(signals={}) as sup:
        async for event in sup.stream(group, "go"):
            if isinstance(event, Chunk):
                kept.append(_runtime(group).publish_message)
    topic = DefaultTopicId(group._output_topic_type, group._team_id)
    await kept[0](GroupChatMessage(message=Chunk(content="late", source="x")), topic)
    assert _runtime(group).unprocessed_messages_count == 1
    assert group._output_message_queue.empty()


async def test_a_shut_runtime_takes_nothing() -> None:
    """An agent that still streams while it is stopped gets AutoGen's error."""
    group = team(Streaming(), turns=1)
    await group.run(task="before")
    runtime: Any = _runtime(group)
    way = Shortcut(group, None)
    way.open()
    topic = DefaultTopicId(group._output_topic_type, group._team_id)
    chunk = GroupChatMessage(message=Chunk(content="late", source="x"))
    await runtime.publish_message(chunk, topic, sender=None)
    assert group._output_message_queue.get_nowait() is chunk.message
    runtime._message_queue.shutdown(immediate=True)
    with pytest.raises(Exception, match=r"^$") as raised:
        await runtime.publish_message(chunk, topic, sender=None)
    way.close()
    assert type(raised.value).__name__ == "QueueShutDown"


async def test_a_runtime_of_the_users_is_left_alone() -> None:
    """On a runtime that was given to the team, everything goes AutoGen's way."""
    runtime = SingleThreadedAgentRuntime(ignore_unhandled_exceptions=False)
    group = RoundRobinGroupChat([Streaming()], max_turns=1, runtime=runtime)
    runtime.start()
    async with Supervisor(signals={}) as sup:
        async for event in sup.stream(group, "go"):
            assert _as_made(group), event
    await runtime.stop_when_idle()


async def test_a_runtime_of_a_tools_is_left_alone() -> None:
    """A runtime that a tool starts by itself is nobody's team's."""
    runtimes = list[bool]()

    async def work() -> str:
        runtime: Any = SingleThreadedAgentRuntime()
        runtime.start()
        await asyncio.sleep(0)
        runtimes.append("publish_message" in vars(runtime) or "_try_serialize" in vars(runtime))
        await runtime.stop()
        return "done"

    await stream(team(scripted("caller", [calls("work"), "done"], work), turns=1))
    assert runtimes == [False]


async def test_switched_off() -> None:
    """`fast_path=False` leaves AutoGen's runtimes as they are."""
    group = team(Streaming(), turns=1)
    with through_runtime() as found:
        async with Supervisor(signals={}, fast_path=False) as sup:
            async for event in sup.stream(group, "go"):
                assert _as_made(group), event
    assert found == ["0", "1", "2", "3"]


@pytest.mark.parametrize("value", ["off", None, 0])
def test_a_setting_that_is_no_boolean(value: Any) -> None:
    """What is neither True nor False is an error that says so."""
    with pytest.raises(SettingsError, match="fast_path"):
        Supervisor(fast_path=value)


async def test_nothing_is_kept_of_the_chunks() -> None:
    """Over 5,000 chunks neither the run nor the runtime comes to hold more."""
    asyncio.get_running_loop().set_debug(False)  # which takes a stack of each task
    most, group = 0, team(Steady(n=5000, pause=1e-9), turns=1)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(group, "go")
        async for _ in run:
            shortcuts = run._fast_path._shortcuts.values() if run._fast_path else ()
            most = max(
                most, *(len(it._underway) for it in shortcuts), len(run._stage.scope._entries)
            )
    assert most <= 130
    assert not run._fast_path._shortcuts  # type: ignore[union-attr]

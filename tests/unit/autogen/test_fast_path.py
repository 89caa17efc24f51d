"""The fast path: the same events as AutoGen's own way, on a team's own runtime only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from typing import Any

import pytest
from autogen_agentchat.messages import ModelClientStreamingChunkEvent as Chunk
from autogen_agentchat.teams import BaseGroupChat, RoundRobinGroupChat
from autogen_agentchat.teams._group_chat._events import GroupChatMessage
from autogen_core import DefaultTopicId, SingleThreadedAgentRuntime

from supervisor import SettingsError, Supervisor
from supervisor._autogen.upstream import Shortcut
from supervisor.testing import calls
from tests.agents import Agent, Failing, Stubborn, nested, scripted, team
from tests.agents import Streaming as Steady
from tests.unit.autogen.checks import adapter_in
from tests.unit.autogen.streaming import (
    IN_RESULT,
    Streaming,
    runtime_of,
    stream,
    through_runtime,
    told,
)
from tests.unit.testing.teams import scenarios

pytestmark = pytest.mark.one_loop

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
    """A reader gets the same events and the same result by the fast path and without it."""
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
    """Where nothing observes it, no chunk goes through a runtime, at any depth."""
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


async def test_a_slow_reader_has_no_more_events_waiting() -> None:
    """No more events wait for a slow reader than without the fast path."""
    most, numbers = 0, list[str]()
    group = team(Agent(), Streaming(n=1000, pauses=False), turns=2)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(group, "go")
        async for event in run:
            most = max(most, run._stoppable.unread)
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


def _as_made(group: BaseGroupChat) -> bool:
    """Return whether a team's runtime has nothing but its own methods."""
    runtime = runtime_of(group)
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
    """However a run is stopped, its teams' runtimes are as they were made, inner ones too."""
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
    """After an agent's failure, the runtimes are as they were made."""
    group = team(Failing(chunks=1))
    with pytest.raises(RuntimeError):
        await stream(group)
    assert _as_made(group)


async def test_all_is_taken_back_from_a_team_in_quarantine() -> None:
    """In quarantine, where a handler refuses to end, the runtime is as it was made."""
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


async def test_a_wrapper_around_our_override_stays() -> None:
    """A wrapper that other code puts around our override of a method stays."""
    group, published = team(Streaming(), turns=1), list[Any]()
    runtime: Any = runtime_of(group)

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


async def test_a_kept_override_does_what_autogens_method_does() -> None:
    """A kept reference to our override does what AutoGen's method does once the run is over."""
    group, kept = team(Streaming(), turns=1), list[Any]()
    async with Supervisor(signals={}) as sup:
        async for event in sup.stream(group, "go"):
            if isinstance(event, Chunk):
                kept.append(runtime_of(group).publish_message)
    topic = DefaultTopicId(group._output_topic_type, group._team_id)
    await kept[0](GroupChatMessage(message=Chunk(content="late", source="x")), topic)
    assert runtime_of(group).unprocessed_messages_count == 1
    assert group._output_message_queue.empty()


async def test_a_shut_runtime_takes_nothing() -> None:
    """An agent that still streams while it is stopped gets AutoGen's error."""
    group = team(Streaming(), turns=1)
    await group.run(task="before")
    runtime: Any = runtime_of(group)
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
    """On a runtime that the user gave to the team, everything goes AutoGen's way."""
    runtime = SingleThreadedAgentRuntime(ignore_unhandled_exceptions=False)
    group = RoundRobinGroupChat([Streaming()], max_turns=1, runtime=runtime)
    runtime.start()
    async with Supervisor(signals={}) as sup:
        async for event in sup.stream(group, "go"):
            assert _as_made(group), event
    await runtime.stop_when_idle()


async def test_a_runtime_of_a_tools_is_left_alone() -> None:
    """A runtime that a tool starts is left alone."""
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
    """A `fast_path` that is neither True nor False is an error that says so."""
    with pytest.raises(SettingsError, match="fast_path"):
        Supervisor(fast_path=value)


async def test_nothing_is_kept_of_the_chunks() -> None:
    """Over 5,000 chunks neither the run nor the runtime holds more and more."""
    asyncio.get_running_loop().set_debug(False)  # which takes a stack of each task
    most, group = 0, team(Steady(n=5000, pause=1e-9), turns=1)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(group, "go")
        async for _ in run:
            adapter = adapter_in(run)
            assert adapter._fast_path is not None
            shortcuts = adapter._fast_path._shortcuts.values()
            most = max(most, *(len(it._underway) for it in shortcuts), len(adapter.scope._entries))
    assert most <= 130
    assert not shortcuts

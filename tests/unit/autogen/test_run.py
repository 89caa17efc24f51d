"""A run as its user sees it: awaited, iterated, handed to asyncio, and at its own end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable

import pytest
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.ui import Console

from supervisor import SettingsError, Stopped, Supervisor, UsageError
from supervisor._autogen import upstream
from tests.agents import Agent, Deaf, Failing, Streaming, scripted, team
from tests.unit.autogen.checks import (
    adapter_in,
    assert_all_put_back,
    assert_goes_on,
    assert_settled,
    contents,
)

FULL = ["go", "done", "done"]


async def test_awaited() -> None:
    """Awaiting a run gives AutoGen's `TaskResult`."""
    async with Supervisor(signals={}) as sup:
        result = await sup.stream(team(Agent(), turns=2), "go")
    assert contents(result) == FULL
    assert result.stop_reason == "Maximum number of messages 3 reached, current message count: 3"
    assert_all_put_back()


async def test_iterated_it_yields_what_run_stream_yields() -> None:
    """A loop over a run sees the same events as one over `run_stream`, the result last."""
    bare = [event async for event in team(Streaming(), turns=2).run_stream(task="go")]
    async with Supervisor(signals={}) as sup:
        ours = [event async for event in sup.stream(team(Streaming(), turns=2), "go")]
    assert [type(event) for event in ours] == [type(event) for event in bare]
    assert isinstance(ours[-1], TaskResult)


async def test_awaited_after_the_loop() -> None:
    """Awaiting a run that was iterated gives the very result that the loop saw."""
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(Streaming(), turns=2), "go")
        events = [event async for event in run]
        assert await run is events[-1]
        assert await run is events[-1]


async def test_awaited_in_the_middle_of_the_loop() -> None:
    """A loop that hands over to `await` loses no message."""
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(Agent(), turns=2), "go")
        events = aiter(run)
        await anext(events)
        assert contents(await run) == FULL


async def test_as_a_task() -> None:
    """`create_task` takes a run, for it is a coroutine object."""
    async with Supervisor(signals={}) as sup:
        task = asyncio.create_task(sup.stream(team(Agent(), turns=2), "go"))
        assert contents(await task) == FULL


async def test_gathered() -> None:
    """`gather` takes runs, which go on side by side."""
    async with Supervisor(signals={}) as sup:
        runs = [sup.stream(team(Streaming(), turns=2), "go") for _ in range(5)]
        results = await asyncio.gather(*runs)
    assert [contents(result) for result in results] == [FULL] * 5
    assert_all_put_back()


async def test_in_a_task_group() -> None:
    """A `TaskGroup` takes runs."""
    async with Supervisor(signals={}) as sup, asyncio.TaskGroup() as group:
        task = group.create_task(sup.stream(team(Agent(), turns=2), "go"))
    assert contents(task.result()) == FULL


async def test_spawned() -> None:
    """`spawn` takes a run."""
    async with Supervisor(signals={}) as sup:
        task = sup.spawn(sup.stream(team(Agent(), turns=2), "go"))
    assert contents(task.result()) == FULL


async def test_under_a_timeout() -> None:
    """`asyncio.timeout` ends a run, which is settled by then."""
    group = team(Deaf())
    async with Supervisor(signals={}) as sup:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await sup.stream(group, "go")
        assert_settled(group)
    assert_all_put_back()


async def test_console_takes_it(capsys: pytest.CaptureFixture[str]) -> None:
    """AutoGen's own `Console` prints a run, and returns its result."""
    async with Supervisor(signals={}) as sup:
        result = await Console(sup.stream(team(Agent("writer"), turns=2), "go"))
    assert isinstance(result, TaskResult)
    assert contents(result) == FULL
    assert "writer" in capsys.readouterr().out


async def test_an_agent_alone() -> None:
    """An agent is run like a team."""
    async with Supervisor(signals={}) as sup:
        result = await sup.stream(scripted("writer", ["a haiku"]), "go")
    assert contents(result) == ["go", "a haiku"]


@pytest.mark.parametrize(
    "task",
    [
        TextMessage(content="go", source="user"),
        [TextMessage(content="go", source="user")],
        (TextMessage(content="go", source="user"),),
    ],
    ids=["message", "list", "tuple"],
)
async def test_every_kind_of_task(task: TextMessage | list[TextMessage]) -> None:
    """A task is a string, a message, or several."""
    async with Supervisor(signals={}) as sup:
        assert contents(await sup.stream(team(Agent(), turns=2), task)) == FULL


async def test_without_the_tasks_messages() -> None:
    """`output_task_messages=False` leaves the task out, as in AutoGen."""
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(Agent(), turns=2), "go", output_task_messages=False)
        assert contents(await run) == FULL[1:]


async def test_two_runs_of_a_team_one_after_the_other() -> None:
    """A team goes on without a task, and takes another one."""
    group = team(Agent(), turns=2)
    async with Supervisor(signals={}) as sup:
        await sup.stream(group, "go")
        assert contents(await sup.stream(group)) == ["done"] * 3
        assert contents(await sup.stream(group, "go")) == FULL


async def test_two_runs_of_a_team_at_once_are_refused_as_autogen_refuses_them() -> None:
    """The second run of a team that is at work raises AutoGen's error; the first goes on."""
    group = team(Streaming(pause=0.001), turns=2)
    async with Supervisor(signals={}) as sup:
        first = asyncio.create_task(sup.stream(group, "go"))
        await asyncio.sleep(0)
        with pytest.raises(ValueError, match="already running"):
            await sup.stream(group, "go")
        assert contents(await first) == FULL
    await assert_goes_on(group, 2)


async def test_an_agents_exception_is_raised_as_autogen_raises_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The exception comes out, AutoGen's log says so, the team is settled, other runs go on."""
    failing = team(Failing(chunks=2))
    async with Supervisor(signals={}) as sup:
        other = asyncio.create_task(sup.stream(team(Streaming(n=20, pause=0.001), turns=2), "go"))
        caplog.set_level(logging.ERROR, "autogen_core")
        with pytest.raises(RuntimeError, match="the agent's own"):
            await sup.stream(failing, "go")
        assert_settled(failing)
        assert contents(await other) == FULL
    assert any("Error processing publish message" in r.getMessage() for r in caplog.records)
    assert_all_put_back()


async def test_after_an_agents_exception_the_team_can_be_used() -> None:
    """A team whose agent failed once gives a full run the next time."""
    failing = Failing()
    group = team(Agent("a"), failing, turns=2)
    async with Supervisor(signals={}) as sup:
        with pytest.raises(RuntimeError):
            await sup.stream(group, "go")
        failing.__class__ = Agent  # type: ignore[assignment]
        assert contents(await sup.stream(group, "go")) == FULL
    await assert_goes_on(group, 2)


async def test_an_exception_in_a_loop_comes_out_at_its_end() -> None:
    """A loop over a run sees the events before the exception, and then the exception.

    On the fast path it sees one more: `test_fastpath.py` has that.
    """

    async def count(events: AsyncIterable[object]) -> None:
        async for event in events:
            seen.append(type(event))

    seen: list[type] = []
    with pytest.raises(RuntimeError):
        await count(team(Failing(chunks=3)).run_stream(task="go"))
    bare, seen = seen, []
    async with Supervisor(signals={}, fast_path=False) as sup:
        with pytest.raises(RuntimeError, match="the agent's own"):
            await count(sup.stream(team(Failing(chunks=3)), "go"))
    assert seen == bare


async def test_a_slow_reader_gets_everything() -> None:
    """The driver waits for a reader that is far behind, and no event is lost."""
    numbers: list[str] = []
    async with Supervisor(signals={}) as sup:
        async for event in sup.stream(Streaming(n=1000), "go"):
            if len(numbers) % 100 == 0:
                await asyncio.sleep(0)
            numbers.append(getattr(event, "content", ""))
    assert numbers[1:-2] == [str(number) for number in range(1000)]


async def test_memory_is_flat() -> None:
    """Over 5,000 chunks a run holds a handful of futures and tasks."""
    asyncio.get_running_loop().set_debug(False)  # which takes a stack of each task
    most = 0
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(Streaming(n=5000, pause=1e-9), turns=1), "go")
        async for _ in run:
            context = adapter_in(run).context
            most = max(most, len(context.token._linked) + len(context.scope._entries))
    assert most <= 2 * 130


async def test_a_second_reader_is_refused() -> None:
    """A run that is being awaited cannot be iterated as well."""
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(Streaming(pause=0.001), turns=1), "go")
        task = asyncio.create_task(run)
        await asyncio.sleep(0)
        with pytest.raises(UsageError, match="has a reader already"):
            aiter(run)
        await task


async def test_never_awaited_it_warns() -> None:
    """A run that is dropped before it started is reported, as a coroutine object is."""
    async with Supervisor(signals={}) as sup:
        with pytest.warns(RuntimeWarning, match="was never awaited"):
            sup.stream(team(Agent()), "go")


async def test_after_a_stop_no_run_starts() -> None:
    """A run that would start after a stop raises `Stopped`, which the block swallows."""
    ended = False
    async with Supervisor(signals={}) as sup:
        sup.stop("enough")
        with pytest.raises(Stopped):
            await sup.stream(team(Agent()), "go")
        await sup.stream(team(Agent()), "go")
        ended = True
    assert not ended


@pytest.mark.parametrize("limit", [-1, float("nan"), "5"])
async def test_an_invalid_time_limit_is_refused(limit: float) -> None:
    """A negative time limit, NaN, and what is no number are refused at once."""
    async with Supervisor(signals={}) as sup:
        with pytest.raises(SettingsError, match="timeout"):
            sup.stream(team(Agent()), "go", timeout=limit)


async def test_what_cannot_be_run_is_refused() -> None:
    """An object without `run_stream` is refused at once."""
    async with Supervisor(signals={}) as sup:
        with pytest.raises(TypeError, match="run_stream"):
            sup.stream("not a team", "go")  # type: ignore[arg-type]


async def test_a_task_factory_that_was_found_is_used_and_put_back() -> None:
    """The user's own task factory makes all tasks of a run, and is restored after it."""
    loop = asyncio.get_running_loop()
    made: list[str] = []

    def factory(
        loop: asyncio.AbstractEventLoop, coro: object, **options: object
    ) -> asyncio.Task[object]:
        made.append(getattr(coro, "__qualname__", ""))
        return asyncio.Task(coro, loop=loop, **options)  # type: ignore[arg-type]

    loop.set_task_factory(factory)  # type: ignore[arg-type]
    try:
        async with Supervisor(signals={}) as sup:
            await sup.stream(team(Agent(), turns=2), "go")
        assert loop.get_task_factory() is factory
    finally:
        loop.set_task_factory(None)
    assert "RunContext._run" in made


async def test_what_fails_as_it_is_opened_leaves_all_as_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A component that cannot be looked at raises its error, and the log has no filter of ours."""

    def fail(_: object) -> None:
        raise LookupError("no runtime")

    filters = list(logging.getLogger("autogen_core").filters)
    monkeypatch.setattr(upstream, "given_runtime", fail)
    async with Supervisor(signals={}) as sup:
        with pytest.raises(LookupError):
            await sup.stream(team(Agent("a")), "go")
    assert logging.getLogger("autogen_core").filters == filters

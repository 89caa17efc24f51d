"""A stopped run: it ends at once, settled, with what was delivered; its team is as good as new."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import Callable

import pytest
from autogen_agentchat.base import TaskResult
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat
from autogen_core import CancellationToken

from supervisor import Quarantined, Run, Rung, Supervisor
from supervisor._core.run_state import Phase
from supervisor.testing import Said, calls
from tests.agents import (
    FOREVER,
    Agent,
    Blocker,
    BreaksOnCancel,
    Deaf,
    Gate,
    Streaming,
    Stubborn,
    Tidy,
    nested,
    scripted,
    team,
)
from tests.unit.autogen.checks import (
    SHORT,
    assert_all_put_back,
    assert_goes_on,
    assert_settled,
    contents,
)

Ways = dict[str, Callable[[Supervisor, Run, asyncio.Task[TaskResult]], object]]

WAYS: Ways = {
    "sup.stop": lambda sup, run, task: sup.stop("Enough"),
    "run.stop": lambda sup, run, task: run.stop("Enough"),
    "sup.token": lambda sup, run, task: sup.token.cancel(),
    "task.cancel": lambda sup, run, task: task.cancel(),
    "task.cancel twice": lambda sup, run, task: (task.cancel(), task.cancel()),
}


@pytest.fixture(params=list(WAYS))
def way(request: pytest.FixtureRequest) -> str:
    """Return a way to stop a run by code, each in turn."""
    return str(request.param)


async def _stopped(
    group: RoundRobinGroupChat | SelectorGroupChat, is_working: asyncio.Event, way: str
) -> TaskResult | None:
    """Start a run, stop it once it works, check that it is settled; return None if cancelled."""
    async with Supervisor(signals={}) as sup:
        run = sup.stream(group, "go")
        task = asyncio.create_task(run)
        await is_working.wait()
        WAYS[way](sup, run, task)
        done, _ = await asyncio.wait([task])
        assert_settled(group)
        assert_all_put_back()
    assert done == {task}
    is_cancelled = way.startswith("task")
    assert task.cancelled() is is_cancelled
    return None if is_cancelled else task.result()


async def test_a_quiet_agent(way: str) -> None:
    """A run that waits for an agent ends at once, by each way to stop, and the team goes on."""
    streaming = Streaming(n=2, pause=FOREVER)
    group = team(Agent("a"), streaming, turns=2)
    result = await _stopped(group, streaming.is_working, way)
    streaming.pause = 0
    assert result is None or contents(result) == ["go", "done"]
    await assert_goes_on(group, 2)


async def test_a_tool_call(way: str) -> None:
    """An active tool call is cancelled, and the agent that waits for it ends."""
    gate = Gate()
    group = team(scripted("caller", [calls("wait"), calls("wait"), "x"], gate.wait), turns=1)
    result = await _stopped(group, gate.is_entered, way)
    assert gate.cancelled == 1
    assert result is None or contents(result) == ["go"]
    gate.let_go.set()
    await assert_goes_on(group, 1)


async def test_parallel_tool_calls(way: str) -> None:
    """All tools of one turn are cancelled."""
    gate = Gate()
    answers: list[Said] = [calls("wait", "wait", "wait"), calls("wait"), "x"]
    group = team(scripted("caller", answers, gate.wait), turns=1)
    await _stopped(group, gate.is_entered, way)
    assert gate.cancelled == gate.entered
    gate.let_go.set()
    await assert_goes_on(group, 1)


async def test_an_agent_that_ignores_the_token(way: str) -> None:
    """An agent that never looks at its token is stopped like any other."""
    deaf = Deaf()
    group = team(Agent("a"), deaf, turns=2)
    await _stopped(group, deaf.is_working, way)
    deaf.seconds = 0
    await assert_goes_on(group, 2)


async def test_an_agent_that_tidies_up(way: str) -> None:
    """A `finally` that takes a moment is waited for, and runs to its end."""
    tidy = Tidy()
    group = team(tidy, turns=1)
    await _stopped(group, tidy.is_working, way)
    assert tidy.tidied == 1


async def test_a_selector_whose_client_turns_the_cancellation_into_an_error(way: str) -> None:
    """A manager that waits for its model client ends, though the client raises."""
    client = BreaksOnCancel()
    group = SelectorGroupChat([Agent("a"), Agent("b")], client)
    await _stopped(group, client.is_asked, way)


async def test_nested_three_deep(way: str) -> None:
    """Teams in teams are stopped to the innermost, and each of them goes on."""
    deaf = Deaf("innermost")
    group = nested(deaf, 3)
    await _stopped(group, deaf.is_working, way)
    deaf.seconds = 0
    await assert_goes_on(group, 2)


async def test_nested_around_a_tool_call(way: str) -> None:
    """A tool that an agent in a team in a team has called is cancelled."""
    gate = Gate()
    group = nested(scripted("caller", [calls("wait"), calls("wait")], gate.wait), 2)
    await _stopped(group, gate.is_entered, way)
    assert gate.cancelled == 1
    gate.let_go.set()
    await assert_goes_on(group, 2)


async def test_nothing_but_the_result_after_the_stop() -> None:
    """Buffered chunks end where the stop came; the result holds what the team holds."""
    seen: list[object] = []
    async with Supervisor(signals={}) as sup:
        async for event in sup.stream(team(Agent("a"), Streaming(n=2000), turns=2), "go"):
            seen.append(event)
            if len(seen) == 20:
                sup.stop("Enough")
                await asyncio.sleep(0)
                await asyncio.sleep(0)
        ended = True
    assert ended
    assert len(seen) == 21
    result = seen[-1]
    assert isinstance(result, TaskResult)
    assert result.stop_reason == "Enough"
    assert contents(result) == ["go", "done", "done"]


async def test_a_time_limit() -> None:
    """`timeout` stops the run, with the seconds in the reason."""
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(Deaf()), "go", timeout=0.05)
        result = await run
        assert sup.stop_request is None
    assert result.stop_reason == "Stopped after 0.05 s"
    assert run.stop_request is not None
    assert run.stop_request.rung is Rung.CANCEL
    assert_all_put_back()


async def test_a_stop_of_one_run_leaves_the_others() -> None:
    """`run.stop` ends its run; the supervisor and its other runs go on."""
    async with Supervisor(signals={}) as sup:
        one = sup.stream(team(Deaf()), "go")
        task = asyncio.create_task(one)
        other = asyncio.create_task(sup.stream(team(Streaming(pause=0.001), turns=2), "go"))
        await asyncio.sleep(0)
        one.stop("Enough")
        assert (await task).stop_reason == "Enough"
        assert len(contents(await other)) == 3
        assert sup.rung is Rung.RUNNING


async def test_stopped_before_it_started() -> None:
    """A run that is stopped before its start has an empty result; its team is untouched."""
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(Deaf()), "go")
        run.stop("Enough")
        assert await run == TaskResult(messages=[], stop_reason="Enough")


@pytest.mark.parametrize("depth", [1, 2])
async def test_drain_finishes_the_turn_and_starts_no_other(depth: int) -> None:
    """DRAIN lets the agent finish its turn; the next one is not asked."""
    gate, other = Gate(), Agent("b")
    caller = scripted("caller", [calls("wait")] * 2, gate.wait)
    inner = caller if depth == 1 else team(caller, turns=1, name="inner")
    group = team(inner, other, turns=2)
    async with Supervisor(signals={}) as sup:
        task = asyncio.create_task(sup.stream(group, "go"))
        await gate.is_entered.wait()
        sup.stop("Enough", Rung.DRAIN)
        gate.let_go.set()
        result = await task
        assert_settled(group)
    assert contents(result) == ["go", "let through"]
    assert result.stop_reason == "Enough"
    assert other.turns == 0
    assert gate.cancelled == 0
    condition = group._termination_condition
    assert isinstance(condition, MaxMessageTermination)
    await assert_goes_on(group, 2)


async def test_left_by_break() -> None:
    """A loop left by `break` stops the run; the team's next run waits for it, and is whole."""
    streaming = Streaming(n=50)
    group = team(streaming, turns=2)
    async with Supervisor(signals={}) as sup:
        async for _ in sup.stream(group, "go"):
            break
        assert contents(await sup.stream(group, "again")) == ["again", "done", "done"]
    await assert_goes_on(group, 2)
    assert_all_put_back()


async def test_left_by_break_the_run_is_settled_before_the_block_is_left() -> None:
    """Nothing of a run whose loop was left is active behind the block."""
    group = team(Deaf(), turns=2)
    async with Supervisor(signals={}) as sup:
        async for _ in sup.stream(group, "go"):
            break
    assert_settled(group)
    assert_all_put_back()


async def test_left_by_an_exception() -> None:
    """An exception in the loop's body comes out, and the run is settled behind the block."""
    deaf = Deaf()
    group = team(deaf, turns=1)

    async def fail() -> None:
        async with Supervisor(signals={}) as sup:
            async for _ in sup.stream(group, "go"):
                raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert_settled(group)
    assert_all_put_back()
    deaf.seconds = 0
    await assert_goes_on(group, 1)


async def test_closed() -> None:
    """`aclose` settles the run before it returns, on the run and on its iterator."""
    group = team(Deaf(), turns=1)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(group, "go")
        await anext(aiter(run))
        await run.aclose()
        assert_settled(group)
        events = aiter(sup.stream(group, "go"))
        await anext(events)
        await events.aclose()  # type: ignore[attr-defined]
        assert_settled(group)


async def test_a_callers_own_token() -> None:
    """A token of the caller's ends the run with `CancelledError`, once it is settled."""
    token, deaf = CancellationToken(), Deaf()
    group = team(deaf, turns=1)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(group, "go", cancellation_token=token)
        task = asyncio.create_task(run)
        await deaf.is_working.wait()
        token.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert_settled(group)
        assert sup.rung is Rung.RUNNING


async def test_a_callers_token_that_was_cancelled_before() -> None:
    """A token that is cancelled already ends the run as it begins."""
    token = CancellationToken()
    token.cancel()
    async with Supervisor(signals={}) as sup:
        with pytest.raises(asyncio.CancelledError):
            await sup.stream(team(Agent()), "go", cancellation_token=token)
    assert_all_put_back()


def test_a_callers_token_that_outlives_the_run() -> None:
    """Cancelled after the run's loop is closed, it does nothing; nor does it keep the run."""

    async def main() -> Run:
        async with Supervisor(signals={}) as sup:
            run = sup.stream(team(Agent(), turns=1), "go", cancellation_token=token)
            await run
        return run

    token = CancellationToken()
    run = asyncio.run(main())
    token.cancel()
    gone = weakref.ref(run)
    del run
    gc.collect()
    assert gone() is None


async def test_an_agent_that_refuses_is_quarantined_until_it_ends() -> None:
    """A handler that swallows every cancellation puts its team in quarantine until it ends.

    Using the team meanwhile raises the same error, and never hangs.
    """
    stubborn = Stubborn()
    group = team(stubborn, turns=1)
    async with Supervisor(signals={}, ladder=SHORT) as sup:
        run = sup.stream(group, "go")
        task = asyncio.create_task(run)
        await stubborn.is_working.wait()
        run.stop("Enough")
        try:
            with pytest.raises(Quarantined, match="stubborn") as caught:
                await task
            assert stubborn.swallowed >= 2
            with pytest.raises(Quarantined):
                await sup.stream(group, "again")
        finally:
            stubborn.let_go.set()
        while run.phase is not Phase.DONE:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)
        assert_settled(group)
        assert contents(await sup.stream(group, "again")) == ["again", "done"]
    assert caught.value.agents == ("stubborn",)
    assert_all_put_back()


@pytest.mark.blocks
async def test_an_agent_that_blocks_the_loop() -> None:
    """A stop from a thread while the loop is blocked takes effect once the loop is free."""
    blocker = Blocker(seconds=0.05)
    group = team(blocker, Deaf(), turns=2)
    async with Supervisor(signals={}) as sup:
        task = asyncio.create_task(sup.stream(group, "go"))
        asyncio.get_running_loop().run_in_executor(None, sup.stop, "Enough")
        assert (await task).stop_reason == "Enough"
        assert_settled(group)


async def test_the_log_of_a_stop_is_silent(caplog: pytest.LogCaptureFixture, way: str) -> None:
    """AutoGen's records about handlers that we cancelled are dropped."""
    caplog.set_level(logging.INFO, "autogen_core")
    deaf = Deaf()
    await _stopped(team(deaf), deaf.is_working, way)
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING and r.name != "asyncio"]


async def test_stopped_again_and_again() -> None:
    """A team that is stopped at each of its turns, many times, still gives a full run."""
    streaming = Streaming(n=1, pause=FOREVER)
    group = team(streaming, turns=3)
    for _ in range(10):
        streaming.is_working.clear()
        await _stopped(group, streaming.is_working, "run.stop")
    streaming.pause = 0
    await assert_goes_on(group, 3)

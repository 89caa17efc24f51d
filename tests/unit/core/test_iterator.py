"""`sup.iterate`: any asynchronous iterator has the promises of a run."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import pytest

from supervisor import Ladder, Quarantined, Run, Rung, Supervisor, UsageError
from supervisor._reports.log import reporter
from supervisor._supervisor.facade import parts_of
from supervisor.types import Phase

SHORT = Ladder(drain=0.1, cancel=0.1, abandon=0.1)


class Source:
    """Yields numbers, and notes what becomes of it.

    Args:
        count: How many.
        gate: Waited for before each number but the first.
    """

    def __init__(self, count: int = 3, gate: asyncio.Event | None = None) -> None:
        self.made = 0
        self.count = count
        self.gate = gate
        self.is_waiting = asyncio.Event()
        self.closed_in: asyncio.Task[Any] | None = None
        self.entered_in: asyncio.Task[Any] | None = None

    async def numbers(self) -> AsyncGenerator[int, None]:
        """Yield them."""
        self.entered_in = asyncio.current_task()
        try:
            for number in range(self.count):
                if number and self.gate is not None:
                    self.is_waiting.set()
                    await self.gate.wait()
                self.made += 1
                yield number
        finally:
            self.closed_in = asyncio.current_task()

    @property
    def is_closed(self) -> bool:
        """Return whether it was closed in the task that had entered it."""
        return self.closed_in is not None and self.closed_in is self.entered_in


async def reads(run: Run[int, list[int]]) -> list[int]:
    """Iterate a run to its end."""
    return [item async for item in run]


# -- left to itself -----------------------------------------------------------------------------


async def test_awaited_it_gives_the_list() -> None:
    """Awaiting the run gives what the source has yielded."""
    source = Source()
    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source.numbers())
        assert await run == [0, 1, 2]
    assert run.result == [0, 1, 2]
    assert source.is_closed
    assert (run.stop_request, run.error, run.phase) == (None, None, Phase.DONE)


async def test_iterated_it_gives_the_items_and_keeps_none() -> None:
    """A loop gets each item and nothing after them; the run's result is empty."""
    async with Supervisor(signals={}) as sup:
        run = sup.iterate(Source().numbers())
        assert await reads(run) == [0, 1, 2]
        assert await run == []


async def test_none_is_an_item_like_any_other() -> None:
    """A source may yield None."""

    async def source() -> AsyncIterator[None]:
        yield None
        yield None

    async with Supervisor(signals={}) as sup:
        assert [item async for item in sup.iterate(source())] == [None, None]


async def test_no_item_is_made_before_it_is_asked_for() -> None:
    """The source stands at its `yield` while the reader is busy, as without a supervisor."""
    source = Source()
    async with Supervisor(signals={}) as sup:
        async for number in sup.iterate(source.numbers()):
            for _ in range(10):
                await asyncio.sleep(0)
            assert source.made == number + 1


async def test_a_failure_is_raised() -> None:
    """What the source raises comes out of the loop, and of awaiting the run."""

    async def source() -> AsyncIterator[int]:
        yield 1
        raise LookupError("gone")

    seen: list[int] = []
    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source())
        events = aiter(run)
        seen.append(await anext(events))
        with pytest.raises(LookupError, match="gone"):
            await anext(events)
        with pytest.raises(LookupError, match="gone"):
            await sup.iterate(source())
    assert seen == [1]
    assert isinstance(run.error, LookupError)


async def test_what_it_leaves_behind_at_a_normal_end_is_left_alone() -> None:
    """A task that the source has started and not waited for goes on."""
    left: list[asyncio.Task[Any]] = []
    gate = asyncio.Event()

    async def source() -> AsyncIterator[int]:
        left.append(asyncio.create_task(gate.wait()))
        yield 1

    async with Supervisor(signals={}) as sup:
        assert await sup.iterate(source()) == [1]
    assert not left[0].done()
    gate.set()
    await left[0]


async def test_a_class_of_iterators_is_closed_by_its_close() -> None:
    """Where there is no `aclose()`, `close()` is called; it may be a coroutine or a function."""
    closed: list[str] = []

    class Stream:
        def __init__(self, items: list[int]) -> None:
            self._items = items

        def __aiter__(self) -> AsyncIterator[int]:
            return self._read()

        async def _read(self) -> AsyncIterator[int]:
            for item in self._items:
                yield item

        async def close(self) -> None:
            closed.append("coroutine")

    class Plain(Stream):
        def close(self) -> None:  # type: ignore[override]
            closed.append("function")

    async with Supervisor(signals={}) as sup:
        assert await sup.iterate(Stream([1, 2])) == [1, 2]
        assert await sup.iterate(Plain([3])) == [3]
    assert closed == ["coroutine", "function"]


# -- refused ------------------------------------------------------------------------------------


async def test_one_that_was_begun_is_refused() -> None:
    """A generator that is at a `yield`, or has ended, is a UsageError."""
    begun, ended = Source().numbers(), Source(count=0).numbers()
    await anext(begun)
    async for _ in ended:
        pass
    async with Supervisor(signals={}) as sup:
        for source in (begun, ended):
            with pytest.raises(UsageError, match="'numbers' was begun already"):
                sup.iterate(source)
    await begun.aclose()


async def test_the_same_one_cannot_be_run_twice() -> None:
    """A second run of a source is refused as it starts."""
    source = Source().numbers()
    async with Supervisor(signals={}) as sup:
        first, second = sup.iterate(source), sup.iterate(source)
        assert await first == [0, 1, 2]
        with pytest.raises(UsageError, match="fresh one"):
            await second


async def test_what_cannot_be_iterated_is_refused() -> None:
    """A function that makes a generator is not one."""
    source: Any = Source().numbers
    async with Supervisor(signals={}) as sup:
        with pytest.raises(TypeError, match="__aiter__"):
            sup.iterate(source)


# -- stopped ------------------------------------------------------------------------------------

Stop = Callable[[Supervisor, Run[int, list[int]]], object]

STOPS: dict[str, Stop] = {
    "the supervisor": lambda sup, run: sup.stop("Enough"),
    "the run alone": lambda sup, run: run.stop("Enough"),
}


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
async def test_stopped_the_loop_over_it_ends(stop: Stop) -> None:
    """At CANCEL the loop ends without a further item, and the run says why."""
    source = Source(gate=asyncio.Event())
    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source.numbers())
        reader = asyncio.create_task(reads(run))
        await source.is_waiting.wait()
        stop(sup, run)
        assert await reader == [0]
    assert run.stop_request is not None
    assert run.stop_request.reason == "Enough"
    assert source.is_closed


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
async def test_stopped_it_gives_the_list_so_far(stop: Stop) -> None:
    """Awaiting a stopped run returns what it had yielded."""
    source = Source(gate=asyncio.Event())
    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source.numbers())
        waiter = asyncio.create_task(run)
        await source.is_waiting.wait()
        stop(sup, run)
        assert await waiter == [0]
    assert source.is_closed


async def test_in_drain_the_next_item_is_delivered() -> None:
    """The item that is being made as DRAIN comes is the last one."""
    source = Source(count=10, gate=asyncio.Event())
    assert source.gate is not None
    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source.numbers())
        reader = asyncio.create_task(reads(run))
        await source.is_waiting.wait()
        sup.stop("Enough", Rung.DRAIN)
        await asyncio.sleep(0)
        source.gate.set()
        assert await reader == [0, 1]
        assert sup.rung <= Rung.CANCEL
    assert source.is_closed


async def test_in_drain_a_source_at_its_yield_is_closed() -> None:
    """Nothing is being made while the reader is busy: the loop ends after this item."""
    source = Source()
    seen: list[int] = []
    async with Supervisor(signals={}) as sup:
        async for item in sup.iterate(source.numbers()):
            seen.append(item)
            if item == 1:
                sup.stop("Enough", Rung.DRAIN)
                while not source.is_closed:  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0)
    assert seen == [0, 1]


def _is_even(number: int) -> bool:
    return number % 2 == 0


async def test_drain_goes_on_to_the_next_boundary() -> None:
    """With `boundary=` DRAIN delivers the items up to the first one for which it is true."""
    source = Source(count=10, gate=asyncio.Event())
    assert source.gate is not None
    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source.numbers(), boundary=_is_even)
        reader = asyncio.create_task(reads(run))
        await source.is_waiting.wait()
        sup.stop("Enough", Rung.DRAIN)
        await asyncio.sleep(0)
        source.gate.set()
        assert await reader == [0, 1, 2]
        assert sup.rung <= Rung.CANCEL
    assert source.made == 3
    assert source.is_closed


async def test_a_source_at_its_yield_goes_on_to_the_boundary() -> None:
    """A busy reader gets the items up to the boundary; the source does not wait for it."""
    source = Source(count=10)
    seen: list[int] = []
    async with Supervisor(signals={}) as sup:
        async for item in sup.iterate(source.numbers(), boundary=_is_even):
            seen.append(item)
            if item == 1:
                sup.stop("Enough", Rung.DRAIN)
                while not source.is_closed:  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0)
    assert seen == [0, 1, 2]
    assert source.is_closed


async def test_a_source_that_never_comes_to_a_boundary_is_cancelled() -> None:
    """One that makes items without ever waiting is ended by DRAIN's seconds all the same."""

    async def source() -> AsyncIterator[int]:
        while True:
            yield 1

    async with Supervisor(signals={}, ladder=Ladder(drain=0.05)) as sup:
        run = sup.iterate(source(), boundary=lambda _: False)
        async for _ in run:
            if run.stop_request is None:
                sup.stop("Enough", Rung.DRAIN)
        assert sup.rung >= Rung.CANCEL
    assert run.error is None


async def test_a_boundary_that_raises_fails_the_run() -> None:
    """The error of `boundary` comes out of the loop, and the source is closed."""
    source = Source(count=10, gate=asyncio.Event())
    assert source.gate is not None

    def fails(number: int) -> bool:
        raise LookupError("no boundary")

    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source.numbers(), boundary=fails)
        reader = asyncio.create_task(reads(run))
        await source.is_waiting.wait()
        run.drain("Enough")
        source.gate.set()
        with pytest.raises(LookupError, match="no boundary"):
            await reader
    assert source.is_closed


async def test_drain_ends_with_its_seconds() -> None:
    """A source that makes no item in DRAIN is cancelled at CANCEL."""
    source = Source(gate=asyncio.Event())
    async with Supervisor(signals={}, ladder=Ladder(drain=0.05)) as sup:
        run = sup.iterate(source.numbers())
        reader = asyncio.create_task(reads(run))
        await source.is_waiting.wait()
        sup.stop("Enough", Rung.DRAIN)
        assert await reader == [0]
        assert sup.rung >= Rung.CANCEL
    assert source.is_closed


async def test_a_time_limit_stops_it() -> None:
    """After `timeout` seconds the loop ends, with the reason of a time limit."""
    async with Supervisor(signals={}) as sup:
        run = sup.iterate(Source(gate=asyncio.Event()).numbers(), timeout=0.02)
        assert await reads(run) == [0]
    assert run.stop_request is not None
    assert run.stop_request.reason == "Stopped after 0.02 s"


async def test_a_loop_that_is_left_stops_it() -> None:
    """`break` has the source closed, in its own task; the block waits for that."""
    source = Source()
    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source.numbers())
        async for _ in run:
            break
    assert source.is_closed
    assert source.made == 1
    assert run.stop_request is not None


async def test_a_cancelled_reader_is_told_once_it_is_settled() -> None:
    """A cancellation from outside is raised when nothing of the source is at work."""
    source = Source(gate=asyncio.Event())
    async with Supervisor(signals={}) as sup:
        reader = asyncio.create_task(reads(sup.iterate(source.numbers())))
        await source.is_waiting.wait()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert source.is_closed


async def test_tasks_that_it_has_started_end_with_it() -> None:
    """Each task is cancelled, at any depth, before the source is closed."""
    ended: list[str] = []
    is_deep = asyncio.Event()

    async def deep() -> None:
        try:
            is_deep.set()
            await asyncio.Event().wait()
        finally:
            ended.append("deep")

    async def outer() -> None:
        await asyncio.gather(asyncio.create_task(deep()))

    async def source() -> AsyncIterator[int]:
        task = asyncio.create_task(outer())
        try:
            yield 1
            await task
        finally:
            ended.append("source")

    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source())
        reader = asyncio.create_task(reads(run))
        await is_deep.wait()
        sup.stop("Enough")
        assert await reader == [1]
        assert ended == ["deep", "source"]


async def test_what_it_yields_in_answer_is_dropped() -> None:
    """An item that the source makes of its cancellation is delivered to nobody."""
    is_waiting = asyncio.Event()

    async def source() -> AsyncIterator[int]:
        yield 1
        try:
            is_waiting.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield 2

    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source())
        waiter = asyncio.create_task(run)
        await is_waiting.wait()
        sup.stop("Enough")
        assert await waiter == [1]
    assert run.error is None


@pytest.mark.blocks  # for the log's thread
@pytest.mark.parametrize("rung", [Rung.DRAIN, Rung.CANCEL])
async def test_what_its_clean_up_raises_is_logged(
    rung: Rung, caplog: pytest.LogCaptureFixture
) -> None:
    """It stands in `run.error`, and is not raised."""
    failure = LookupError("no such page")

    async def source() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            raise failure

    seen: list[int] = []
    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source())
        with caplog.at_level(logging.ERROR, logger="supervisor"):
            async for item in run:
                seen.append(item)
                sup.stop("Enough", rung)
    assert seen == [1]
    assert run.error is failure
    assert reporter.flush(10)
    assert "source failed while it was stopped" in caplog.text
    assert run.result == []


async def test_one_that_ignores_its_end_is_given_up() -> None:
    """A generator that answers GeneratorExit by a `yield` refuses; readers get `Quarantined`."""
    may_end = False

    async def source() -> AsyncGenerator[int, None]:
        while True:
            try:
                yield 1
            except GeneratorExit:
                if may_end:
                    raise

    async with Supervisor(signals={}, ladder=SHORT) as sup:
        run = sup.iterate(source())
        async for _ in run:
            run.stop("Enough")
            break
        with pytest.raises(Quarantined, match=r"'source' is quarantined.* ignoring GeneratorExit"):
            await run
        assert isinstance(run.error, Quarantined)
    may_end = True
    await _end_drivers()
    del run
    gc.collect()  # before the loop ends: Python closes a generator once, and so cannot close this


async def test_a_task_that_refuses_is_given_up() -> None:
    """What it is at stands in the error, as for a team."""
    has_begun, may_end = asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        has_begun.set()
        while not may_end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await may_end.wait()

    async def source() -> AsyncIterator[int]:
        task = asyncio.create_task(stubborn())
        yield 1
        await task

    async with Supervisor(signals={}, ladder=SHORT) as sup:
        run = sup.iterate(source())
        waiter = asyncio.create_task(run)
        await has_begun.wait()
        run.stop("Enough")
        with pytest.raises(Quarantined, match="stubborn"):
            await waiter
        may_end.set()
    await _end_drivers()


async def test_a_source_that_never_waits_does_not_keep_the_loop() -> None:
    """Also awaited, it lets a stop through between two items."""

    async def source() -> AsyncIterator[int]:
        number = 0
        while True:
            yield number
            number += 1

    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source(), timeout=0.01)
        numbers = await run
    assert numbers == list(range(len(numbers)))


async def test_stopped_before_it_started_nothing_is_begun() -> None:
    """The loop over it ends at once."""
    source = Source()
    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source.numbers())
        run.stop("Enough")
        assert await reads(run) == []
    assert source.made == 0


async def test_beside_a_run_of_autogens_the_tracker_serves_both() -> None:
    """The tracker is let go with the last run only, and the factory is put back."""
    from tests.agents import Agent, team

    async with Supervisor(signals={}) as sup:
        numbers, result = await asyncio.gather(
            sup.iterate(Source().numbers()), sup.stream(team(Agent("a"), turns=1), "go")
        )
    assert numbers == [0, 1, 2]
    assert result.messages
    assert asyncio.get_running_loop().get_task_factory() is None


async def _end_drivers() -> None:
    """End what was given up; cancelled once more, the drivers end."""
    drivers = [task for task in asyncio.all_tasks() if task.get_name().startswith("run of")]
    for task in drivers:
        task.cancel()
    if drivers:  # a generator that has answered GeneratorExit by now has ended its own
        await asyncio.wait(drivers)


async def test_awaiting_what_another_task_iterates_is_refused() -> None:
    """The result would lack what the loop reads; once the loop has ended it can be awaited."""
    gate = asyncio.Event()
    source = Source(gate=gate)
    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source.numbers())
        loop = asyncio.create_task(reads(run))
        await source.is_waiting.wait()
        with pytest.raises(UsageError, match="iterated by another task"):
            await run
        gate.set()
        assert await loop == [0, 1, 2]
        assert await run == []


# -- one run, alone -----------------------------------------------------------------------------


async def test_it_has_the_name_of_its_source() -> None:
    """A generator's name, or that of a class of iterators."""
    async with Supervisor(signals={}) as sup:
        run = sup.iterate(Source().numbers())
        assert run.name == "numbers"
        await run


async def test_closed_before_it_started_it_never_does() -> None:
    """`aclose()` waits for nothing then, and the result is empty."""
    source = Source()
    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source.numbers())
        await run.aclose()
        assert await run == []
    assert source.made == 0


async def test_drained_before_it_started_it_never_does() -> None:
    """A run that is told to drain has no turn to finish."""
    source = Source()
    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source.numbers())
        run.drain("Enough")
        assert await run == []
    assert source.made == 0
    assert run.stop_request is not None
    assert run.stop_request.reason == "Enough"


def test_once_its_loop_is_closed_a_stop_does_nothing(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """Another thread may come too late: that is no error."""

    async def main() -> Run[int, list[int]]:
        async with Supervisor(signals={}) as sup:
            run = sup.iterate(Source().numbers())
            await run
            return run
        raise AssertionError("nothing has stopped it")

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        run = runner.run(main())
    run.stop("Late")
    run.drain("Late")
    assert run.stop_request is None


async def test_closed_as_a_coroutine_it_ends() -> None:
    """A task that drives it by hand may close it; a run that has started is stopped by that."""
    source = Source(gate=asyncio.Event())
    async with Supervisor(signals={}, ladder=SHORT) as sup:
        run = sup.iterate(source.numbers())
        run.send(None)
        await source.is_waiting.wait()
        run.close()
        run.stop("Closed")
        assert await run == [0]


@pytest.mark.one_loop
async def test_alone_it_is_given_up_in_spite_of_an_endless_ladder() -> None:
    """Nobody ends the process for the stop of one run: its last rung has the default's seconds."""
    has_begun, may_end = asyncio.Event(), asyncio.Event()

    async def source() -> AsyncGenerator[int, None]:
        has_begun.set()
        while not may_end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await may_end.wait()
        yield 1

    ladder = Ladder(drain=0.05, cancel=0.05, abandon=float("inf"))
    async with Supervisor(signals={}, ladder=ladder) as sup:
        run = sup.iterate(source())
        reading = asyncio.ensure_future(run)
        await has_begun.wait()
        run.stop("Enough")
        with pytest.raises(Quarantined, match=r"after 1\.05 s"):
            await reading
        may_end.set()
        await _end_drivers()


async def test_a_report_names_it() -> None:
    """What is at work is told by the name of the source."""
    source = Source(gate=asyncio.Event())
    async with Supervisor(signals={"SIGUSR1": "CANCEL"}) as sup:
        run = asyncio.ensure_future(sup.iterate(source.numbers()))
        await source.is_waiting.wait()
        assert parts_of(sup).scope.active_agents() == ["numbers"]
        assert source.gate is not None
        source.gate.set()
        await run


class YieldsOne:
    """A class of iterators that yield one item, and then do what a subclass does."""

    def __init__(self) -> None:
        self.left = 1
        self.is_waiting = asyncio.Event()

    def __aiter__(self) -> YieldsOne:
        return self

    async def __anext__(self) -> int:
        if self.left:
            self.left -= 1
            return 1
        self.is_waiting.set()
        return await self.go_on()

    async def go_on(self) -> int:
        """Do what comes behind the item."""
        raise NotImplementedError


@pytest.mark.blocks  # for the log's thread
@pytest.mark.parametrize("stops", [False, True])
async def test_a_close_that_fails(stops: bool, caplog: pytest.LogCaptureFixture) -> None:
    """At a normal end the run fails with it; in a stop it is logged."""

    class Closes(YieldsOne):
        """A class of iterators whose close fails."""

        async def go_on(self) -> int:
            if stops:
                await asyncio.Event().wait()
            raise StopAsyncIteration

        async def aclose(self) -> None:
            raise LookupError("no such page")

    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source := Closes())
        reading = asyncio.ensure_future(run)
        await source.is_waiting.wait()
        if stops:
            run.stop("Enough")
            assert await reading == [1]
        else:
            with pytest.raises(LookupError):
                await reading
    assert reporter.flush(10)
    assert isinstance(run.error, LookupError)
    assert ("source failed while it was stopped" in caplog.text) is stops


@pytest.mark.blocks  # for the log's thread
async def test_one_that_fails_because_it_was_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    """What it makes of its cancellation is logged, and the result is what it has yielded."""

    class Fails(YieldsOne):
        """A class of iterators that has no close."""

        async def go_on(self) -> int:
            try:
                return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]
            except asyncio.CancelledError:
                raise LookupError("no such page") from None

    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source := Fails())
        reading = asyncio.ensure_future(run)
        await source.is_waiting.wait()
        run.stop("Enough")
        assert await reading == [1]
    assert reporter.flush(10)
    assert isinstance(run.error, LookupError)
    assert "source failed while it was stopped" in caplog.text

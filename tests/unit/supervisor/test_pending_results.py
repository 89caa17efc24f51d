"""Runs that have ended and are still read: who has still to get a result is waited for, or spared.

In virtual time; the team has said all that it says before the first event is read.
"""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, TextMessage
from autogen_core import CancellationToken

from supervisor import Ladder, Run, Rung, Supervisor
from tests.unit.autogen.checks import at_step
from tests.unit.supervisor.fakes import LONG, Talker, VirtualProcess, in_virtual_time

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no selector loop by default")

LADDER = Ladder(drain=20.0, cancel=2.0, abandon=1.0)
EVENTS = 10
WORDS = [str(number) for number in range(EVENTS)]


class Chatty(Talker):
    """Says it all at once, and ends by itself."""

    async def run_stream(
        self,
        *,
        task: str | BaseChatMessage | Sequence[BaseChatMessage] | None = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | TaskResult, None]:
        """Say ten words, and give the result."""
        said = [TextMessage(content=word, source=self.name) for word in WORDS]
        self.is_working.set()
        for message in said:
            yield message
        yield TaskResult(messages=said, stop_reason="all said")


class Reader:
    """Reads a run with a pause after each event, and notes what it was given."""

    def __init__(self, pause: float = 1.0) -> None:
        self.pause = pause
        self.seen: list[str] = []
        self.result: TaskResult | None = None
        self.is_reading = asyncio.Event()

    async def read(self, run: Run) -> None:
        """Read to the end."""
        async for event in run:
            if isinstance(event, TaskResult):
                self.result = event
            else:
                self.seen.append(event.to_text())
                self.is_reading.set()
                await asyncio.sleep(self.pause)

    async def keep(self, run: Run) -> None:
        """Read one event, keep the iterator, and do something else."""
        events = aiter(run)
        await anext(events)
        self.is_reading.set()
        await asyncio.sleep(LONG)
        del events


Start = Callable[[Supervisor, Callable[[], Awaitable[None]]], Awaitable[Any]]
"""Has a coroutine function called: by the body, or by a task of some kind."""


async def by_body(_sup: Supervisor, read: Callable[[], Awaitable[None]]) -> None:
    """Have the body itself read."""
    await read()


async def by_gather(_sup: Supervisor, read: Callable[[], Awaitable[None]]) -> None:
    """Have a task read that the body gathers."""
    await asyncio.gather(read(), asyncio.sleep(0))


async def by_spawned(sup: Supervisor, read: Callable[[], Awaitable[None]]) -> None:
    """Have a spawned task read."""
    await asyncio.wait([sup.spawn(_awaiting(read))])


async def by_gather_in_spawned(sup: Supervisor, read: Callable[[], Awaitable[None]]) -> None:
    """Have a task read that a spawned task gathers."""
    await asyncio.wait([sup.spawn(by_gather(sup, read))])


async def by_task_of_others(sup: Supervisor, read: Callable[[], Awaitable[None]]) -> None:
    """Have a task read that the supervisor does not know, while the body waits for the stop."""
    task = asyncio.create_task(_awaiting(read))
    await sup.wait_stop()
    _kept.add(task)
    task.add_done_callback(_kept.discard)


async def _awaiting(read: Callable[[], Awaitable[None]]) -> None:
    await read()


_kept: set[asyncio.Task[None]] = set()

STARTS: dict[str, Start] = {
    "body": by_body,
    "gather": by_gather,
    "spawned": by_spawned,
    "gather in spawned": by_gather_in_spawned,
    "task of others": by_task_of_others,
}


@pytest.fixture(params=list(STARTS.values()), ids=list(STARTS))
def start(request: pytest.FixtureRequest) -> Start:
    """Each kind of reader."""
    found: Start = request.param
    return found


def later(seconds: float, call: Callable[..., object], *args: object) -> None:
    """Call a function after so many virtual seconds."""
    asyncio.get_running_loop().call_later(seconds, call, *args)


def test_in_drain_a_reader_reads_to_the_end(process: VirtualProcess, start: Start) -> None:
    """Its run has ended before the stop: it gets each event, and the result, in DRAIN's seconds."""

    async def main() -> None:
        reader = Reader(pause=0.9)
        async with Supervisor(signals={}, ladder=LADDER) as sup:
            later(3.0, sup.stop, "enough", Rung.DRAIN)
            await start(sup, lambda: reader.read(sup.stream(Chatty())))
        assert reader.seen == WORDS
        assert reader.result is not None
        assert reader.result.stop_reason == "all said"

    in_virtual_time(main)


@pytest.mark.parametrize("drain", [0.0, 3.0], ids=["at once", "after DRAIN"])
def test_at_cancel_the_result_is_the_next_thing(
    process: VirtualProcess, start: Start, drain: float
) -> None:
    """What is unread then is in the result, and nobody who is to get it is cancelled before."""

    async def main() -> None:
        reader = Reader(pause=0.9)
        ladder = Ladder(drain=drain, cancel=2.0, abandon=1.0)
        async with Supervisor(signals={}, ladder=ladder) as sup:
            later(2.0, sup.stop, "enough", Rung.DRAIN if drain else Rung.CANCEL)
            await start(sup, lambda: reader.read(sup.stream(Chatty())))
        assert 0 < len(reader.seen) < EVENTS
        assert reader.result is not None
        assert [message.to_text() for message in reader.result.messages] == WORDS
        assert sup.rung is Rung.CANCEL

    in_virtual_time(main)


@pytest.mark.parametrize(
    ("way", "seconds"),
    [("body", 4.0), ("gather", 4.0), ("task of others", 2.0), ("spawned", 20.0 + 2.0)],
)
def test_a_reader_that_does_not_read_does_not_cost_the_ladder(
    process: VirtualProcess, way: str, seconds: float
) -> None:
    """An iterator that is kept and forgotten costs two seconds of DRAIN, and CANCEL's at most.

    A spawned task has DRAIN's in any case.
    """

    async def main() -> None:
        reader = Reader()
        loop = asyncio.get_running_loop()
        async with Supervisor(signals={}, ladder=LADDER) as sup:
            later(3.0, sup.stop, "enough", Rung.DRAIN)
            await STARTS[way](sup, lambda: reader.keep(sup.stream(Chatty())))
        assert loop.time() - 3.0 <= seconds
        for task in list(_kept):
            task.cancel()
            await asyncio.wait([task])

    in_virtual_time(main)


def test_who_has_broken_off_is_not_waited_for(process: VirtualProcess) -> None:
    """A loop over a run that has ended, left by `break`, leaves nothing to wait for."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with Supervisor(signals={}, ladder=LADDER) as sup:
            run = sup.stream(Chatty())
            async for _ in run:
                await asyncio.sleep(1.0)
                break
            later(1.0, sup.stop, "enough", Rung.DRAIN)
            await asyncio.sleep(LONG)
        assert loop.time() == pytest.approx(2.0)

    in_virtual_time(main)


@pytest.mark.parametrize("has_ended", [False, True])
def test_who_has_closed_its_iterator_is_not_waited_for(
    process: VirtualProcess, *, has_ended: bool
) -> None:
    """A reader that closes its iterator, and keeps it, leaves nothing to wait for."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with Supervisor(signals={}, ladder=LADDER) as sup:
            events = aiter(sup.stream(Chatty() if has_ended else Talker()))
            await anext(events)
            await asyncio.sleep(1.0)
            await events.aclose()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
            later(1.0, sup.stop, "enough", Rung.DRAIN)
            await asyncio.sleep(LONG)
        assert loop.time() == pytest.approx(2.0)

    in_virtual_time(main)


class HostTask:
    """Waits for two runs, some tasks away, and saves their results."""

    def __init__(self, sup: Supervisor) -> None:
        self.teams = [Chatty(name) for name in ("one", "two")]
        self.has_results = self.has_saved = self.was_stopped_before = False
        self._sup = sup

    async def work(self) -> None:
        """Wait, and save."""
        await asyncio.create_task(self._gather())
        self.has_results = True
        self.was_stopped_before = self._sup.stop_request is not None
        await asyncio.sleep(0.1)
        self.has_saved = True

    async def _gather(self) -> None:
        await asyncio.gather(*(self._sup.stream(team) for team in self.teams))


@pytest.mark.parametrize("rung", [Rung.DRAIN, Rung.CANCEL])
@pytest.mark.parametrize("is_spawned", [False, True], ids=["body", "spawned"])
def test_at_each_step_around_the_end_no_result_is_lost(
    process: VirtualProcess, *, is_spawned: bool, rung: Rung
) -> None:
    """Whoever awaits a run, some tasks away, gets its result and goes on with it at any step."""

    async def stopped_at(step: int) -> bool:
        async with Supervisor(signals={}, ladder=LADDER) as sup:
            at_step(step, lambda: sup.stop("enough", rung))
            body = HostTask(sup)
            if is_spawned:
                await asyncio.wait([sup.spawn(body.work())])
            else:
                await body.work()
        assert body.has_results or not any(team.is_working.is_set() for team in body.teams)
        assert body.has_saved or not body.was_stopped_before
        return sup.stop_request is not None and step < 100

    async def main() -> None:
        step = 0
        while await stopped_at(step):
            step += 1
        assert step == 100

    in_virtual_time(main)

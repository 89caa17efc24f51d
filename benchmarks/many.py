"""How long it takes to stop 1 to 1,000 runs by one signal.

All of them wait for their model. A thread sends SIGINT; the time ends when the last of those who
read a run has its end. Each subject has a fresh process on each loop, which goes through all
numbers; the subjects take turns.

Subjects:

- `floor`: bare tasks that await what an agent awaits; `loop.add_signal_handler` cancels them all.
- `autogen`: one `CancellationToken` for all teams, which `loop.add_signal_handler` cancels. What
  each reader gets is a `CancelledError`. Its team is left as it is, and may not run again.
- `supervised`: all teams under one `Supervisor`; each reader gets its `TaskResult`, and each team
  can be used again.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from autogen_core import CancellationToken

from benchmarks._record import Record, record
from benchmarks._script import Effort, ask, interrupt, main, rotated
from benchmarks._teams import LOOPS, Streamer, team_of
from supervisor import Ladder, Supervisor

NAME: Final = "benchmarks.many"
SIZES: Final = (1, 10, 100, 1_000)
ROUNDS: Final = 3
LONG: Final = 60.0
PATIENT: Final = Ladder(drain=1, cancel=20, abandon=10)  # for a busy machine
Read = Callable[[asyncio.Event], Awaitable[None]]


async def floor(count: int) -> float:
    """Cancel bare tasks."""

    async def wait(begun: asyncio.Event) -> None:
        begun.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(LONG)

    return await _all_of(count, wait, cancel=None)


async def autogen(count: int) -> float:
    """Cancel the token of all."""
    token = CancellationToken()

    async def read(begun: asyncio.Event) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            team = team_of(Streamer(3, pause=LONG))
            async for _ in team.run_stream(task="x", cancellation_token=token):
                begun.set()

    return await _all_of(count, read, cancel=token.cancel)


async def supervised(count: int) -> float:
    """Have them stopped."""
    async with Supervisor(ladder=PATIENT) as sup:

        async def read(begun: asyncio.Event) -> None:
            run = sup.stream(team_of(Streamer(3, pause=LONG)), "x")
            async for _ in run:
                begun.set()
            assert (await run).stop_reason == "Stopped by SIGINT"

        return await _stopped(count, read)
    raise AssertionError("the block went on to its return")


async def _all_of(count: int, read: Read, cancel: Callable[[], object] | None) -> float:
    """Have a handler stop so many readers: by a call, or by cancelling their tasks."""
    loop, tasks = asyncio.get_running_loop(), list[asyncio.Task[None]]()

    def cancel_all() -> None:
        for task in tasks:
            task.cancel()

    loop.add_signal_handler(signal.SIGINT, cancel or cancel_all)
    try:
        return await _stopped(count, read, tasks)
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def _stopped(count: int, read: Read, tasks: list[asyncio.Task[None]] | None = None) -> float:
    begun = [asyncio.Event() for _ in range(count)]
    running = [asyncio.ensure_future(read(event)) for event in begun]
    if tasks is not None:
        tasks += running
    for event in begun:
        await event.wait()
    at: list[float] = []

    interrupt(at, after=0.1)  # all of them wait by then
    await asyncio.gather(*running)
    return time.perf_counter() - at[0]


SUBJECTS: Final = {"floor": floor, "autogen": autogen, "supervised": supervised}


def seconds_of(subject: str, loop: str) -> list[float]:
    """Return the seconds of each number, after one stop that warms up."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(SUBJECTS[subject](1))
        return [runner.run(SUBJECTS[subject](count)) for count in SIZES]


def measure(effort: Effort) -> Iterator[Record]:
    """Measure each subject on both loops."""
    cases = [(subject, loop) for loop in LOOPS for subject in SUBJECTS]
    found: dict[tuple[str, str], list[list[float]]] = {case: [] for case in cases}
    for number in effort.long_rounds(ROUNDS):
        for case in rotated(cases, number):
            found[case].append(ask(NAME, "seconds_of", *case))
    for at, size in enumerate(SIZES):
        for subject, loop in cases:
            values = [each[at] for each in found[subject, loop]]
            yield record(("many", str(size), subject, loop), values)


if __name__ == "__main__":
    main(__name__, measure, {"seconds_of": seconds_of})

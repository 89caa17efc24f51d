"""From a signal to the result in hand: what a user waits for after Ctrl-C.

A thread of the process sends SIGINT; the time ends when the result is in hand. The subjects take
turns within one process, in another order each round.

Cases:

- `quiet`: the agent has streamed one chunk and waits for the next.
- `chatty`: the agent streams a chunk every millisecond.
- `tool`: an async tool that takes no token is in flight.
- `burst`: the agent has published 20,000 chunks without giving way to the loop. The signal comes
  when the loop is free for the first time.
- `nested`: as `quiet`, in a team within a team within a team.
- `slow-reader`: the agent has streamed 100 chunks, and whoever reads takes 20 ms for each. That
  time, 10 ms on average, is in the figures.

Subjects:

- `floor`: `loop.add_signal_handler` that cancels a bare task, which awaits what the agent awaits.
- `anyio`: a scope around the same bare coroutine, cancelled when `open_signal_receiver` gets the
  signal, as anyio's documentation has it.
- `autogen`: `loop.add_signal_handler` that cancels the `CancellationToken` of the team's run. What
  ends is a `CancelledError`: there is no `TaskResult`. With a tool in flight it does not end.
- `supervised`: the team under a `Supervisor`, until its `TaskResult`.

aiorun, uvicorn and hypercorn run whole programs; `chaos` and `web` measure those to their end.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Final

import anyio
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import ToolCallRequestEvent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken

from benchmarks._record import Record, record
from benchmarks._script import Effort, interrupt, main, rotated
from benchmarks._teams import LOOPS, Streamer, team_of
from supervisor import Supervisor
from supervisor.testing import ScriptedModel, calls

LONG: Final = 30.0
CHUNKS: Final = 20_000
READ: Final = 0.02
BEFORE: Final = 0.01  # seconds until the signal
ROUNDS: Final = {
    "quiet": 100,
    "chatty": 60,
    "tool": 60,
    "burst": 5,
    "nested": 60,
    "slow-reader": 30,
}

Team = RoundRobinGroupChat


def press_now(at: list[float]) -> None:
    """Send the signal from the loop, as it comes to it."""
    at.append(time.perf_counter())
    signal.raise_signal(signal.SIGINT)


# -- what is stopped ------------------------------------------------------------------------------


async def waits() -> None:
    """Wait as the quiet agent does."""
    await asyncio.sleep(LONG)


async def chats() -> None:
    """Give way to the loop as the chatty agent does."""
    while True:  # noqa: ASYNC110 - there is nothing to wait for
        await asyncio.sleep(0.001)


def quiet() -> Team:
    """Return a team whose agent waits for its next chunk."""
    return team_of(Streamer(3, pause=LONG))


def chatty() -> Team:
    """Return a team whose agent streams."""
    return team_of(Streamer(100_000, pause=0.001))


def with_tool() -> Team:
    """Return a team whose agent waits for a tool."""

    async def dig() -> str:
        """Dig."""
        await asyncio.sleep(LONG)
        return "dug"

    return RoundRobinGroupChat([AssistantAgent("a", ScriptedModel([calls("dig")]), tools=[dig])])


def bursting() -> Team:
    """Return a team whose agent does not give way."""
    return team_of(Streamer(CHUNKS))


def nested() -> Team:
    """Return the quiet team, three deep."""
    inner = RoundRobinGroupChat([Streamer(3, pause=LONG)], name="third", max_turns=1)
    middle = RoundRobinGroupChat([inner], name="second", max_turns=1)
    return RoundRobinGroupChat([middle], name="first")


def buffered() -> Team:
    """Return a team whose chunks wait for their reader."""
    return RoundRobinGroupChat([Streamer(100)], max_turns=1_000)


# -- who stops it ---------------------------------------------------------------------------------


async def floor(work: Callable[[], Awaitable[None]]) -> float:
    """Cancel a bare task."""
    loop, at = asyncio.get_running_loop(), list[float]()
    task = asyncio.ensure_future(work())
    loop.add_signal_handler(signal.SIGINT, task.cancel)
    interrupt(at, after=BEFORE)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    took = time.perf_counter() - at[0]
    loop.remove_signal_handler(signal.SIGINT)
    return took


async def by_anyio(work: Callable[[], Awaitable[None]]) -> float:
    """Cancel a scope of anyio's."""
    at: list[float] = []

    async def hear(scope: anyio.CancelScope) -> None:
        with anyio.open_signal_receiver(signal.SIGINT) as signals:
            interrupt(at, after=BEFORE)
            async for _ in signals:
                scope.cancel()
                return

    async with anyio.create_task_group() as group:
        group.start_soon(hear, group.cancel_scope)
        await work()
    return time.perf_counter() - at[0]


class Reader:
    """Reads a run's events, and has the signal sent when it is time.

    Args:
        case: The case.
    """

    def __init__(self, case: str) -> None:
        self.at: list[float] = []
        self._case = case
        self._pause = READ if case == "slow-reader" else 0.0

    async def read(self, events: AsyncIterator[Any]) -> None:
        """Read to the end."""
        if self._case == "burst":
            asyncio.get_running_loop().call_later(0.05, press_now, self.at)
        async for event in events:
            if not self.at and self._is_time(event):
                interrupt(self.at, after=BEFORE)
                self._case = ""
            if self._pause and not isinstance(event, TaskResult):
                await asyncio.sleep(self._pause)

    def _is_time(self, event: object) -> bool:
        if self._case == "tool":
            return isinstance(event, ToolCallRequestEvent)
        return self._case not in ("", "burst") and getattr(event, "source", "user") != "user"


async def autogen(case: str, team: Team) -> float:
    """Cancel the token of a run."""
    loop, token, reader = asyncio.get_running_loop(), CancellationToken(), Reader(case)
    loop.add_signal_handler(signal.SIGINT, token.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await reader.read(team.run_stream(task="x", cancellation_token=token))
    took = time.perf_counter() - reader.at[0]
    loop.remove_signal_handler(signal.SIGINT)
    return took


async def supervised(case: str, team: Team) -> float:
    """Have the run stopped."""
    reader = Reader(case)
    async with Supervisor() as sup:
        run = sup.stream(team, "x")
        await reader.read(aiter(run))
        result = await run
        took = time.perf_counter() - reader.at[0]
        assert result.stop_reason == "Stopped by SIGINT"
        return took
    raise AssertionError("the block went on to its return")


BARE: Final = {"quiet": waits, "chatty": chats}
TEAMS: Final = {
    "quiet": quiet,
    "chatty": chatty,
    "tool": with_tool,
    "nested": nested,
    "slow-reader": buffered,
    "burst": bursting,  # it takes longest
}
ENDLESS: Final = {"tool"}  # with AutoGen alone: see `stock`


def subjects(case: str) -> dict[str, Callable[[], Awaitable[float]]]:
    """Return the subjects that a case makes sense for."""
    found: dict[str, Callable[[], Awaitable[float]]] = {}
    if case in BARE:
        found["floor"] = lambda: floor(BARE[case])
        found["anyio"] = lambda: by_anyio(BARE[case])
    if case not in ENDLESS:
        found["autogen"] = lambda: autogen(case, TEAMS[case]())
    found["supervised"] = lambda: supervised(case, TEAMS[case]())
    return found


def measure(effort: Effort) -> Iterator[Record]:
    """Measure each case on both loops."""
    for case in TEAMS:
        for loop, factory in LOOPS.items():
            with asyncio.Runner(loop_factory=factory) as runner:
                took = _rounds(runner, subjects(case), effort.rounds(ROUNDS[case]))
            for subject, seconds in took.items():
                yield record(("latency", case, subject, loop), seconds)


def _rounds(
    runner: asyncio.Runner, of: dict[str, Callable[[], Awaitable[float]]], rounds: int
) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {name: [] for name in of}
    for number in range(rounds + 1):
        for name in rotated([*of], number):
            seconds = runner.run(_within(of[name]()))
            if number:  # the first round warms up
                took[name].append(seconds)
    return took


async def _within(work: Awaitable[float]) -> float:
    return await asyncio.wait_for(work, 20)


if __name__ == "__main__":
    main(__name__, measure)

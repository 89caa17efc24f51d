"""The time from the signal to the `TaskResult`, compared with the wake-up of a bare loop.

Both are measured in turn, many times. A thread sends SIGINT to the process while the loop sleeps
and the team waits for its model, or for a tool.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import ToolCallRequestEvent
from autogen_agentchat.teams import RoundRobinGroupChat

from benchmarks._bench import LOOPS, Streamer, centile, milliseconds, result, team_of
from supervisor import Supervisor
from supervisor.testing import ScriptedModel, calls

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 200


def _press(at: list[float]) -> None:
    def press() -> None:
        time.sleep(0.01)  # the loop is asleep by then
        at.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()


async def bare() -> float:
    """Measure how long `add_signal_handler` takes to wake a loop."""
    loop, woken, at = asyncio.get_running_loop(), asyncio.Event(), list[float]()
    loop.add_signal_handler(signal.SIGINT, woken.set)
    _press(at)
    await woken.wait()
    seconds = time.perf_counter() - at[0]
    loop.remove_signal_handler(signal.SIGINT)
    return seconds


async def waiting_for_model() -> float:
    """Return a team whose agent waits for the next chunk."""
    return await _stopped(team_of(Streamer(3, pause=30.0)), lambda _: True)


async def waiting_for_tool() -> float:
    """Return a team whose agent waits for an async tool that has no token."""

    async def dig() -> str:
        """Dig."""
        await asyncio.sleep(30)
        return "dug"

    model = ScriptedModel([calls("dig")])
    team = RoundRobinGroupChat([AssistantAgent("digger", model, tools=[dig])])
    return await _stopped(team, lambda event: isinstance(event, ToolCallRequestEvent))


async def nested() -> float:
    """Return the same as for the model, three teams deep."""
    inner = RoundRobinGroupChat([Streamer(3, pause=30.0)], name="third", max_turns=1)
    middle = RoundRobinGroupChat([inner], name="second", max_turns=1)
    return await _stopped(RoundRobinGroupChat([middle], name="first"), lambda _: True)


async def _stopped(team: RoundRobinGroupChat, is_time: Callable[[object], bool]) -> float:
    at: list[float] = []
    async with Supervisor() as sup:
        stream = sup.stream(team, "work")
        async for event in stream:
            if not at and getattr(event, "source", "") != "user" and is_time(event):
                _press(at)
        await stream
        return time.perf_counter() - at[0]
    raise AssertionError("the block went on to its return")


WAITING = {
    "a model": waiting_for_model,
    "a tool": waiting_for_tool,
    "a model, three teams deep": nested,
}


def main() -> None:
    """Measure on both loops."""
    for name, factory in LOOPS.items():
        bases: list[float] = []
        for what, measure in WAITING.items():
            seconds: list[float] = []
            with asyncio.Runner(loop_factory=factory) as runner:
                for _ in range(ROUNDS):
                    bases.append(runner.run(bare()))
                    seconds.append(runner.run(measure()))
            over = statistics.median(seconds) - statistics.median(bases)
            over99 = centile(seconds, 0.99) - centile(bases, 0.99)
            result(
                f"signal to TaskResult, waiting for {what}, {name}",
                f"{milliseconds(seconds)}; over the bare loop {over * 1e3:+.2f} ms, "
                f"p99 {over99 * 1e3:+.2f} ms",
            )
        result(f"bare loop's wake-up, {name}", milliseconds(bases))


if __name__ == "__main__":
    main()

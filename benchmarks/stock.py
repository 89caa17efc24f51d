"""How AutoGen reacts to a stop, alone and under the supervisor.

These are the figures of the README's table. Each situation runs in a child process and has ten
seconds, because some of them never end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable

from autogen_agentchat.agents import AssistantAgent, UserProxyAgent
from autogen_agentchat.base import TaskResult, Team
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken

from benchmarks._bench import Streamer, result, team_of
from supervisor import Supervisor
from supervisor.testing import ScriptedModel, calls

LIMIT_SECONDS = 10
_pressed: list[float] = []


def _press_after(seconds: float, *, times: int = 1) -> None:
    def press() -> None:
        for _ in range(times):
            time.sleep(seconds)
            _pressed.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()


async def _dig() -> str:
    """Dig, slowly."""
    await asyncio.sleep(2)
    return "dug"


def _with_tool() -> Team:
    model = ScriptedModel(lambda _: calls("_dig"))
    agent = AssistantAgent("digger", model, tools=[_dig])
    return RoundRobinGroupChat([agent], termination_condition=MaxMessageTermination(8))


def _quiet() -> Team:
    return team_of(Streamer(3, pause=3.0))


def _deaf() -> Team:
    return team_of(Streamer(100, pause=0.05, heeds=False))


def _asking() -> Team:
    return RoundRobinGroupChat([UserProxyAgent("user")])


async def _read_alone(team: Team, token: CancellationToken) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        async for _ in team.run_stream(task="x", cancellation_token=token):
            pass


def _by_handler(team: Callable[[], Team]) -> Callable[[], Awaitable[str]]:
    """Run AutoGen alone; a signal handler cancels the token."""

    async def alone() -> str:
        token = CancellationToken()
        signal.signal(signal.SIGINT, lambda _number, _frame: token.cancel())
        _press_after(0.5)
        await _read_alone(team(), token)
        return _since()

    return alone


async def _interrupted_twice() -> str:
    """Run AutoGen alone; asyncio handles Ctrl-C, twice."""
    _press_after(0.5, times=2)
    team = _deaf()
    with contextlib.suppress(asyncio.CancelledError):
        await team.run(task="x")
    return _since()


async def _used_again() -> str:
    """Run AutoGen alone: ten messages, after a run that was cancelled."""
    agent, token = Streamer(100, pause=0.05), CancellationToken()
    team = team_of(agent, messages=10)
    asyncio.get_running_loop().call_later(0.3, token.cancel)
    await _read_alone(team, token)
    agent.chunks = 1
    return _next(await team.run(task="again"))


def _supervised(team: Callable[[], Team], times: int = 1) -> Callable[[], Awaitable[str]]:
    async def ours() -> str:
        async with Supervisor() as sup:
            _press_after(0.5, times=times)
            await sup.stream(team(), "x")
            return _since()
        raise AssertionError("the block went on to its return")

    return ours


async def _used_again_supervised() -> str:
    agent = Streamer(100, pause=0.05)
    team = team_of(agent, messages=10)
    async with Supervisor() as sup:
        await sup.stream(team, "x", timeout=0.3)
        agent.chunks = 1
        return _next(await sup.stream(team, "again"))
    raise AssertionError("the block went on to its return")


def _since() -> str:
    return f"ended {time.monotonic() - _pressed[0]:.3f} s after Ctrl-C"


def _next(ended: TaskResult) -> str:
    return f"the next run has {len(ended.messages)} of 10 messages"


SITUATIONS: dict[str, tuple[Callable[[], Awaitable[str]], Callable[[], Awaitable[str]]]] = {
    "model is silent for 3 s": (_by_handler(_quiet), _supervised(_quiet)),
    "async tool in flight": (_by_handler(_with_tool), _supervised(_with_tool)),
    "agent ignores the token for 5 s": (_by_handler(_deaf), _supervised(_deaf)),
    "Ctrl-C twice": (_interrupted_twice, _supervised(_deaf, times=2)),
    "input() waits": (_by_handler(_asking), _supervised(_asking)),
    "the team is used again": (_used_again, _used_again_supervised),
}


def _inside(name: str, who: int) -> None:
    unhandled: list[str] = []

    async def main() -> str:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: unhandled.append(str(context.get("exception")))
        )
        return await SITUATIONS[name][who]()

    with contextlib.suppress(KeyboardInterrupt):
        print(asyncio.run(main()), flush=True)
    if unhandled:
        print(f"unhandled: {unhandled[0]}", flush=True)


def _measure(name: str, who: int) -> str:
    command = [sys.executable, __file__, name, str(who)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        # The pipe to its stdin stays open: nobody types, and nobody hangs up.
        try:
            child.wait(LIMIT_SECONDS)
            ended = f"status {child.returncode}"
        except subprocess.TimeoutExpired:
            ended = f"the process is still there after {LIMIT_SECONDS} s"
            child.kill()
        assert child.stdout is not None
        said = child.stdout.read().split("\n")
    lines = [line.removeprefix("Enter your response: ") for line in said if line]
    return "; ".join([*lines, ended])


def main() -> None:
    """Measure every situation, alone and supervised."""
    for name in SITUATIONS:
        for who, label in enumerate(("AutoGen alone", "supervised")):
            result(f"{name}, {label}", _measure(name, who))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _inside(sys.argv[1], int(sys.argv[2]))
    else:
        main()

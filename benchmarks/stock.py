"""What Ctrl-C does to AutoGen alone, and to the same team under a supervisor.

Each situation has a fresh process, which sends SIGINT to itself half a second after it has begun,
and ends itself ten seconds after that, because some never end. The figure is the time from the
first signal to the end of the run. The note has the exit status, and what asyncio says that nobody
handled.

`autogen` means a `signal.signal` handler that cancels the run's `CancellationToken`, as a user
writes it. Exceptions: `twice` has no handler, and `again` cancels the token from code.

Cases:

- `silent`: the model is silent for 3 s.
- `tool`: an async tool is in flight; the model asks for it again and again.
- `deaf`: an agent ignores the token for 5 s.
- `twice`: the same, and Ctrl-C twice.
- `input`: a `UserProxyAgent` waits in `input()`.
- `again`: a run is cancelled, and the team is run again: how many of its 10 messages that has.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from autogen_agentchat.agents import AssistantAgent, UserProxyAgent
from autogen_agentchat.base import TaskResult, Team
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken

from benchmarks._record import Record, record
from benchmarks._script import Effort, main
from benchmarks._teams import Streamer, team_of
from scripts.project import ROOT
from supervisor import Supervisor
from supervisor.testing import ScriptedModel, calls

LIMIT_SECONDS: Final = 10
PATIENCE: Final = 60  # seconds for all of a process, whose start may be slow
_STILL_THERE: Final = 99
ROUNDS: Final = 3
_ENDED: Final = "ENDED "
_pressed: list[float] = []


def _press_after(seconds: float, *, times: int = 1) -> None:
    def press() -> None:
        for _ in range(times):
            time.sleep(seconds)
            _pressed.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(LIMIT_SECONDS - times * seconds + seconds)
        os._exit(_STILL_THERE)

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


Situation = Callable[[], Awaitable[float]]


def _by_handler(team: Callable[[], Team]) -> Situation:
    """Run AutoGen alone; a signal handler cancels the token."""

    async def alone() -> float:
        token = CancellationToken()
        signal.signal(signal.SIGINT, lambda _number, _frame: token.cancel())
        _press_after(0.5)
        await _read_alone(team(), token)
        return _since()

    return alone


async def _interrupted_twice() -> float:
    """Run AutoGen alone; asyncio handles Ctrl-C, twice."""
    _press_after(0.5, times=2)
    team = _deaf()
    with contextlib.suppress(asyncio.CancelledError):
        await team.run(task="x")
    return _since()


async def _used_again() -> float:
    """Run AutoGen alone: ten messages, after a run that was cancelled."""
    agent, token = Streamer(100, pause=0.05), CancellationToken()
    team = team_of(agent, messages=10)
    asyncio.get_running_loop().call_later(0.3, token.cancel)
    await _read_alone(team, token)
    agent.chunks = 1
    return _count(await team.run(task="again"))


def _supervised(team: Callable[[], Team], times: int = 1) -> Situation:
    async def ours() -> float:
        async with Supervisor() as sup:
            _press_after(0.5, times=times)
            await sup.stream(team(), "x")
            return _since()
        raise AssertionError("the block went on to its return")

    return ours


async def _used_again_supervised() -> float:
    agent = Streamer(100, pause=0.05)
    team = team_of(agent, messages=10)
    async with Supervisor() as sup:
        await sup.stream(team, "x", timeout=0.3)
        agent.chunks = 1
        return _count(await sup.stream(team, "again"))
    raise AssertionError("the block went on to its return")


def _since() -> float:
    return time.monotonic() - _pressed[0]


def _count(ended: TaskResult) -> float:
    return len(ended.messages)


SITUATIONS: Final[dict[str, dict[str, Situation]]] = {
    "silent": {"autogen": _by_handler(_quiet), "supervised": _supervised(_quiet)},
    "tool": {"autogen": _by_handler(_with_tool), "supervised": _supervised(_with_tool)},
    "deaf": {"autogen": _by_handler(_deaf), "supervised": _supervised(_deaf)},
    "twice": {"autogen": _interrupted_twice, "supervised": _supervised(_deaf, times=2)},
    "input": {"autogen": _by_handler(_asking), "supervised": _supervised(_asking)},
    "again": {"autogen": _used_again, "supervised": _used_again_supervised},
}


def _be(case: str, subject: str) -> None:
    """Be the process: say how the run has ended, and what nobody handled."""
    said: dict[str, Any] = {}

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: said.setdefault("unhandled", str(context.get("exception")))
        )
        said["value"] = await SITUATIONS[case][subject]()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())
    print(_ENDED + json.dumps(said), flush=True)


def _ended(case: str, subject: str) -> tuple[float | None, str]:
    """Return the value of a situation, and what else it has come to."""
    command = [sys.executable, "-m", "benchmarks.stock", "be", case, subject]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
    ) as child:
        # The pipe to its stdin stays open: nobody types, and nobody hangs up.
        try:
            child.wait(PATIENCE)
        finally:
            child.kill()
        assert child.stdout is not None
        lines = child.stdout.read().replace("Enter your response: ", "").splitlines()
    if child.returncode == _STILL_THERE:
        return None, f"the process is still there after {LIMIT_SECONDS} s"
    how = f"status {child.returncode}"
    said = [json.loads(each.removeprefix(_ENDED)) for each in lines if each.startswith(_ENDED)]
    found: dict[str, Any] = said[0] if said else {}
    if "unhandled" in found:
        how += f"; ValueError: {found['unhandled']}"
    return found.get("value"), how


def measure(effort: Effort) -> Iterator[Record]:
    """Measure AutoGen alone, two at once, as it mostly sleeps; then ours, one by one."""
    rounds = 1 if effort.is_quick else ROUNDS
    with ThreadPoolExecutor(2) as pool:
        alone = [*pool.map(_ended, SITUATIONS, itertools.repeat("autogen"))]
    for case, (value, note) in zip(SITUATIONS, alone, strict=True):
        yield _record(case, "autogen", [value], note)
    for case in SITUATIONS:
        ours = [_ended(case, "supervised") for _ in range(rounds)]
        yield _record(case, "supervised", [value for value, _ in ours], ours[0][1])


def _record(case: str, subject: str, values: list[float | None], note: str) -> Record:
    unit = "count" if case == "again" else "s"
    found = [value for value in values if value is not None]
    return record(("stock", case, subject, ""), found, unit=unit, note=note)


if __name__ == "__main__":
    if sys.argv[1:2] == ["be"]:
        _be(*sys.argv[2:])
    else:
        main(__name__, measure)

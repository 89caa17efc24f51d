"""The grid's teams: three turns, the middle one special; they linger where the signal comes.

The moments, and the fact that tells each: `start` ("ready", before anything runs), `first`
("first", in the first turn), `middle` ("busy", in the special turn), `last` ("last", in the last
turn), `cleanup` ("cleanup", in the body, after the run).
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from typing import Any

from autogen_agentchat.base import ChatAgent, TaskResult, Team
from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat

from supervisor import Ladder, Supervisor, run
from tests.process import agents
from tests.process.agents import streamer
from tests.process.server import tell

LINGER = 30.0
LADDER = Ladder(drain=0.8, cancel=0.5, abandon=0.5)
MOMENTS = {
    "start": "ready",
    "first": "first",
    "middle": "busy",
    "last": "last",
    "cleanup": "cleanup",
}

_SPECIAL: dict[str, Callable[[float], ChatAgent | Team]] = {
    "quiet": lambda s: streamer("special", agents.waits(s)),
    "chatty": lambda s: streamer("special", agents.chats(s)),
    "burst": lambda s: streamer("special", agents.bursts(s)),
    "blocks": lambda s: streamer("special", agents.blocks(s)),
    "keeps": lambda s: streamer("special", agents.keeps(s)),
    "ignores": lambda s: streamer("special", agents.ignores(s, cancels=1)),
    "refuses": lambda s: streamer("special", agents.ignores(s, cancels=float("inf"))),
    "tool": lambda s: agents.tool_caller("special", agents.async_tool(s)),
    "tools": lambda s: agents.tool_caller("special", agents.async_tool(s), 3),
    "thread": lambda s: agents.tool_caller("special", agents.sync_tool(s)),
    "selector": lambda s: streamer("special", agents.waits(s)),
    "nested": lambda s: _nest(streamer("special", agents.waits(s)), 2),
    "five": lambda s: streamer("special", agents.chats(s)),
    "pipe": lambda s: streamer("special", agents.reads(s)),
    "pty": lambda s: streamer("special", agents.reads(s)),
}
SCENARIOS = tuple(_SPECIAL)


def _nest(inner: ChatAgent | Team, levels: int) -> Team:
    team = RoundRobinGroupChat([inner], max_turns=1, name=f"level{levels}")
    return _nest(team, levels - 1) if levels > 1 else team


def team(scenario: str, moment: str) -> Team:
    """Return the scenario's team, which lingers at that moment."""
    first = streamer("opener", agents.speaks("first", LINGER if moment == "first" else 0.01))
    special = _SPECIAL[scenario](LINGER if moment in ("start", "middle") else 0.02)
    last = streamer("closer", agents.speaks("last", LINGER if moment == "last" else 0.01))
    people = [first, special, last]
    if scenario != "selector":
        return RoundRobinGroupChat(people, max_turns=3, name="team")
    seconds = LINGER if moment in ("start", "middle") else 0.0
    client = agents.model_that_breaks(["opener", "special", "closer"], seconds)
    return SelectorGroupChat(people, client, max_turns=3, name="team")


async def _body(sup: Supervisor, scenario: str, moment: str) -> None:
    tell("ready")
    count = 5 if scenario == "five" else 1
    results = await asyncio.gather(*(_one(sup, scenario, moment) for _ in range(count)))
    for result in results:
        tell("result", reason=result.stop_reason, messages=len(result.messages))
    tell("cleanup")
    if moment == "cleanup":
        await asyncio.sleep(LINGER)


async def _one(sup: Supervisor, scenario: str, moment: str) -> TaskResult:
    stream = sup.stream(team(scenario, moment), task="go")
    if scenario in ("quiet", "tool", "five"):
        return await stream
    result: TaskResult | None = None
    async for event in stream:
        assert result is None, "something came after the TaskResult"
        result = event if isinstance(event, TaskResult) else None
    assert result is not None
    return result


def under_run(*, scenario: str, moment: str, loop: Any) -> None:
    """Run the scenario under `supervisor.run`."""

    async def main(sup: Supervisor) -> None:
        await _body(sup, scenario, moment)

    run(main, loop=loop, ladder=LADDER)


def as_block(*, scenario: str, moment: str, loop: str) -> None:
    """Run the scenario in a block, in a loop that somebody else made."""
    sup = Supervisor(ladder=LADDER)

    async def main() -> None:
        found = _found_in_loop()
        async with sup:
            await _body(sup, scenario, moment)
        tell("left", changed=_changes(found, _found_in_loop()))

    found = _found()
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        runner.run(main())
    tell("closed", changed=_changes(found, _found()))
    sys.exit(sup.exit_status)


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return the factory for loops of that name."""
    import uvloop

    return uvloop.new_event_loop if name == "uvloop" else asyncio.SelectorEventLoop


def _found() -> dict[str, object]:
    found: dict[str, object] = {
        str(n): signal.getsignal(n) for n in signal.valid_signals() if n != signal.SIGALRM
    }
    found["wakeup fd"] = fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd)
    return found


def _found_in_loop() -> dict[str, object]:
    loop = asyncio.get_running_loop()
    return _found() | {
        "task factory": loop.get_task_factory(),
        "exception handler": loop.get_exception_handler(),
    }


def _changes(before: dict[str, object], after: dict[str, object]) -> list[str]:
    return [f"{k}: {v!r} became {after[k]!r}" for k, v in before.items() if after[k] != v]

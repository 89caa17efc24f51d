"""Interactive programs: SIGINT ends what they run, and they go on."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.models import LLMMessage, UserMessage

from supervisor import Ladder, Supervisor, run
from supervisor.testing import ScriptedModel, assert_settled, calls
from tests.process import agents
from tests.process.agents import streamer
from tests.process.scenarios import LADDER, LINGER
from tests.process.server import tell

_BLOCKED_SECONDS = 20.0


def _says(seconds: float = 0.0) -> RoundRobinGroupChat:
    agent = streamer("speaker", agents.speaks("busy", seconds))
    return RoundRobinGroupChat([agent], max_turns=1, name="team")


async def _ask(sup: Supervisor, team: Any, words: str = "go") -> None:
    """Run a team, and tell how that ended and what the supervisor says then."""
    waited = await sup.stream(team, words)
    tell(
        "result",
        reason=waited.stop_reason,
        rung=sup.rung.name,
        is_stopped=sup.stop_request is not None,
    )


def _go(
    main: Callable[[Supervisor], Coroutine[Any, Any, None]], loop: Any, ladder: Ladder = LADDER
) -> None:
    async def and_tell(sup: Supervisor) -> None:
        await main(sup)
        tell("left")

    run(and_tell, loop=loop, interactive=True, ladder=ladder)


def _told_to_go_on() -> asyncio.Future[None]:
    """Return what is done when SIGUSR1 comes."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[None] = loop.create_future()
    loop.add_signal_handler(signal.SIGUSR1, told.set_result, None)
    return told


def conversation(*, loop: Any, count: int) -> None:
    """Ask one team so often, interrupted in a tool each time, and once more to its end."""

    def answer(messages: Sequence[LLMMessage]) -> Any:
        last = messages[-1]
        wants_tool = isinstance(last, UserMessage) and last.content != "bye"
        return calls("look_up") if wants_tool else "done"

    async def main(sup: Supervisor) -> None:
        model = ScriptedModel(answer)
        agent = AssistantAgent("a", model, tools=[agents.async_tool(LINGER)])
        team = RoundRobinGroupChat([agent], max_turns=1, name="team")
        for number in range(count):
            await _ask(sup, team, f"go {number}")
        await _ask(sup, team, "bye")
        assert_settled(team)
        asked = [it.content for it in model.requests[-1] if isinstance(it, UserMessage)]
        tell("asked", words=asked)

    _go(main, loop)


def blocked_tool(*, loop: Any) -> None:
    """Run an agent whose tool blocks the loop."""

    async def block() -> str:
        tell("busy")
        time.sleep(_BLOCKED_SECONDS)  # noqa: ASYNC251 - that is the point
        return "never"

    async def main(sup: Supervisor) -> None:
        agent = AssistantAgent("a", ScriptedModel([calls("block"), "done"]), tools=[block])
        await _ask(sup, agent)
        assert_settled(agent)
        await _ask(sup, _says())

    _go(main, loop)


def blocked_body(*, loop: Any) -> None:
    """Block the loop in the body, while nothing runs."""

    async def main(sup: Supervisor) -> None:
        try:
            tell("busy")
            time.sleep(_BLOCKED_SECONDS)  # noqa: ASYNC251 - that is the point
        except asyncio.CancelledError:
            tell("interrupted")
        await asyncio.sleep(0.7)  # no second one is on its way
        await _ask(sup, _says())

    _go(main, loop)


def stubborn(*, loop: Any) -> None:
    """Run a team that refuses to end, and another one afterwards."""

    async def main(sup: Supervisor) -> None:
        goes_on = _told_to_go_on()
        refuses = streamer("mule", agents.ignores(LINGER, cancels=float("inf")))
        team = RoundRobinGroupChat([refuses], max_turns=1, name="team")
        try:
            await _ask(sup, team)
        except Exception as error:  # noqa: BLE001 - its class is what is told
            tell("quarantined", error=type(error).__name__, count=len(sup.quarantined))
        await goes_on
        await _ask(sup, _says())

    _go(main, loop)


def stopped_meanwhile(*, loop: Any) -> None:
    """Run a team that takes its time to end, and say what the supervisor says meanwhile."""

    async def main(sup: Supervisor) -> None:
        sup.on_interrupt(lambda runs: tell("interrupted", runs=runs))
        sup.on_stop(lambda request: tell("stopped", reason=request.reason))
        refuses = streamer("mule", agents.ignores(LINGER, cancels=1))
        team = RoundRobinGroupChat([refuses], max_turns=1, name="team")
        await _ask(sup, team)
        await asyncio.sleep(LINGER)

    _go(main, loop, ladder=Ladder(drain=0.2, cancel=1, abandon=5))


def at_a_prompt(*, loop: Any) -> None:
    """Wait, with nothing at work, and tell each interrupt."""

    async def main(sup: Supervisor) -> None:
        sup.on_interrupt(lambda runs: tell("interrupted", runs=runs))
        left = _told_to_go_on()
        tell("ready")
        await left

    _go(main, loop)


PROGRAMS: dict[str, Callable[..., Any]] = {
    "conversation": conversation,
    "blocked_tool": blocked_tool,
    "blocked_body": blocked_body,
    "stubborn": stubborn,
    "stopped_meanwhile": stopped_meanwhile,
    "at_a_prompt": at_a_prompt,
}

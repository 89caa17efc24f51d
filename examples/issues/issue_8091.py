"""#8091: Document CancellationToken propagation through nested tools.

A tool that runs a team and does not pass the token on: that team is not cancelled with the run.
"""

from __future__ import annotations

import asyncio
import os
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken

from supervisor import Supervisor
from supervisor.testing import ScriptedAgent, ScriptedModel, calls


class Nested:
    """A team whose tool runs another team, without a token."""

    def __init__(self) -> None:
        self.at_work, self.state = asyncio.Event(), "never asked"
        self.experts = RoundRobinGroupChat([ScriptedAgent("expert", self._think)], max_turns=1)
        model = ScriptedModel([calls("ask_experts")])
        self.team = RoundRobinGroupChat([AssistantAgent("agent", model, tools=[self.ask_experts])])

    async def ask_experts(self) -> str:
        """Ask the experts."""
        return (await self.experts.run(task="Think")).messages[-1].to_text()

    async def _think(self, _messages: object, _token: object) -> str:
        self.state = "still at work"
        self.at_work.set()
        try:
            await asyncio.sleep(3600)
        finally:
            self.state = "cancelled"
        return "Forty-two."


async def alone() -> str:
    """Cancel the run's token."""
    nested, token = Nested(), CancellationToken()
    running = asyncio.create_task(nested.team.run(task="Ask", cancellation_token=token))
    await nested.at_work.wait()
    token.cancel()
    await asyncio.wait([running], timeout=1)
    print(f"the nested team is {nested.state} 1 s after token.cancel()", flush=True)
    os._exit(0)  # asyncio.run would wait for it


async def supervised() -> str:
    """Stop the run: what its tools have started is part of it."""
    nested = Nested()
    async with Supervisor(signals={}) as sup:
        run = sup.stream(nested.team, "Ask")
        running = asyncio.create_task(run)
        await nested.at_work.wait()
        run.stop("Enough")
        result = await running
        return f"{result.stop_reason}; the nested team is {nested.state}"
    return "stopped before its run"


if __name__ == "__main__":
    print(asyncio.run(alone() if "alone" in sys.argv else supervised()), flush=True)

"""An agent for chats that tell no test of anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from autogen_agentchat.messages import BaseChatMessage
from autogen_core import CancellationToken

from supervisor.testing import ScriptedAgent


def waiter() -> ScriptedAgent:
    """Make an agent that waits for its model."""

    async def turn(
        _: Sequence[BaseChatMessage], _t: CancellationToken
    ) -> AsyncGenerator[str, None]:
        await asyncio.sleep(3600)
        yield "at last"

    return ScriptedAgent("waiter", turn)

"""Lets each `UserProxyAgent` of a team ask its user through one function.

In a chat, that function replaces whatever the agent was made with, for a person at one terminal can
answer in one place only. Elsewhere it replaces AutoGen's own `input()` alone. Questions of parallel
turns are asked one after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from autogen_agentchat.agents import UserProxyAgent
from autogen_core import CancellationToken

from supervisor._autogen import upstream
from supervisor._autogen.adapter import Runnable
from supervisor._autogen.token import SupervisedToken
from supervisor._autogen.walk import walk

Ask = Callable[[str], Awaitable[str]]
"""Shows a question, and returns the answer. It is cancelled where nobody needs it any more."""


def ask_through(runnable: Runnable, ask: Ask, *, by_default: bool = False) -> None:
    """Have each `UserProxyAgent` of a team, at any depth, ask through a function.

    Args:
        runnable: The team or agent.
        ask: The function.
        by_default: Whether an agent that was given a function of its own keeps that.
    """
    turns = asyncio.Lock()
    for thing in walk(runnable):
        if not isinstance(thing, UserProxyAgent):
            continue
        if not by_default or upstream.asks_by_default(thing):
            upstream.put_input(thing, _Question(thing.name, ask, turns))


class _Question:
    """The questions of one agent.

    Args:
        name: The agent's.
        ask: Asks them.
        turns: Held while one is asked.
    """

    def __init__(self, name: str, ask: Ask, turns: asyncio.Lock) -> None:
        self._name = name
        self._ask = ask
        self._turns = turns

    async def __call__(self, prompt: str, cancellation_token: CancellationToken | None) -> str:
        async with self._turns:
            asked = asyncio.ensure_future(self._ask(f"{self._name}: {prompt.strip()}"))
            if cancellation_token is not None:
                cancellation_token.link_future(asked)
            try:
                return await asked
            except EOFError as error:
                await _fail(cancellation_token, error)
                raise


async def _fail(token: CancellationToken | None, error: EOFError) -> None:
    """Let the run fail with this error itself: AutoGen would wrap it twice."""
    if isinstance(token, SupervisedToken) and token.fail(error):
        await token.link_future(asyncio.get_running_loop().create_future())

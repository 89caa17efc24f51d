"""How a `UserProxyAgent` asks its user."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from autogen_agentchat.agents import UserProxyAgent
from autogen_agentchat.agents._user_proxy_agent import cancellable_input
from autogen_core import CancellationToken

Input = Callable[[str, CancellationToken | None], Awaitable[str]]
"""Shows a prompt, and returns what the user says; ends when the token is cancelled."""

ASKS: Final = "_get_input"
"""The method by which an agent asks: it takes a prompt and a token, and returns an answer."""


def put_input(agent: UserProxyAgent, ask: Input) -> None:
    """Let an agent ask in another way: AutoGen takes the function when the agent is made."""
    agent.input_func = ask
    vars(agent)["_is_async"] = True


def asks_by_default(agent: UserProxyAgent) -> bool:
    """Return whether nobody has given this agent another way to ask: it calls `input()`."""
    return agent.input_func is cancellable_input

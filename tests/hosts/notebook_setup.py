"""What the notebooks of the tests import: teams, and tools that say when they have begun."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor.testing import ScriptedModel, calls


async def dig() -> str:
    """Dig for an hour."""
    print("BEGUN", flush=True)
    await asyncio.sleep(3600)
    return "A hole."


async def block() -> str:
    """Block the event loop."""
    print("BEGUN", flush=True)
    time.sleep(3600)  # noqa: ASYNC251 - that is the subject
    return "Nothing."


refuser_may_end = asyncio.Event()


async def refuse() -> str:
    """Go on, whoever cancels it."""
    print("BEGUN", flush=True)
    while not refuser_may_end.is_set():
        try:
            await refuser_may_end.wait()
        except asyncio.CancelledError:
            continue
    return "Never mind."


def make(*tools: Callable[[], Any]) -> RoundRobinGroupChat:
    """Make a team whose only agent calls these tools, and then says that it is done."""
    model = ScriptedModel([calls(tool.__name__) for tool in tools] + ["Done."])
    return RoundRobinGroupChat([AssistantAgent("digger", model, tools=list(tools))], max_turns=1)


def read_handler() -> str:
    """Return the name of what handles SIGINT now."""
    import signal

    handler: Any = signal.getsignal(signal.SIGINT)
    return str(getattr(handler, "__qualname__", handler))

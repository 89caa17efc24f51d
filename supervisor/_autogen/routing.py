"""Sends each run of a team or an agent through a function, where the calls are not ours to change.

All runs of teams pass through `BaseGroupChat.run_stream`: `run` calls it, `Console` iterates it,
and nested teams, `SocietyOfMindAgent` and `TeamTool` use it. An agent has `run` and `run_stream`. A
run that is made within a supervised run is part of that one, and is left to AutoGen.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final, cast

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.teams import BaseGroupChat

# These look at AutoGen's own functions, so: before they are replaced.
from supervisor._autogen import adapter as _adapter
from supervisor._core.tasks import SCOPE

Stream = AsyncGenerator[Any, None]

Through = Callable[[_adapter.Runnable, dict[str, Any]], Stream | None]
"""Takes a team or an agent and the options of its run, and returns the events of a supervised run.

Called in the loop, as the run begins. None leaves the run to AutoGen.
"""

_RUN_STREAM: Final = "run_stream"


def route_teams(through: Through) -> None:
    """Send each run of a team through a function from now on."""
    _replace_run_stream(BaseGroupChat, through)


def route_agents(through: Through) -> None:
    """Send each run of an agent by itself through a function from now on."""
    run = BaseChatAgent.run

    @functools.wraps(run)
    async def routed(self: BaseChatAgent, **options: Any) -> TaskResult:
        stream = through(self, options) if SCOPE.get() is None else None
        if stream is None:
            return await run(self, **options)
        return await _result(stream)

    _replace_run_stream(BaseChatAgent, through)
    cast(Any, BaseChatAgent).run = routed


def _replace_run_stream(cls: Any, through: Through) -> None:
    stock: Callable[..., Stream] = getattr(cls, _RUN_STREAM)

    @functools.wraps(stock)
    def routed(self: Any, **options: Any) -> Stream:
        if SCOPE.get() is not None:
            return stock(self, **options)
        return _routed(stock, through, self, options)

    setattr(cls, _RUN_STREAM, routed)


async def _routed(
    stock: Callable[..., Stream],
    through: Through,
    runnable: _adapter.Runnable,
    options: dict[str, Any],
) -> AsyncGenerator[Any, None]:
    # Only now: a stream may be made in one place, and be iterated in another loop or run.
    stream = through(runnable, options) if SCOPE.get() is None else None
    async with aclosing(stream or stock(runnable, **options)) as events:
        async for event in events:
            yield event


async def _result(stream: Stream) -> TaskResult:
    async with aclosing(stream) as events:
        items = [event async for event in events if isinstance(event, TaskResult)]
    return items[-1]

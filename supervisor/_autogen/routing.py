"""Sends each run of a team or an agent through a function, where the calls are not ours to change.

All runs of teams pass through `BaseGroupChat.run_stream`: `run` calls it, `Console` iterates it,
and nested teams, `SocietyOfMindAgent` and `TeamTool` use it. An agent has `run` and `run_stream`. A
run that is made within a supervised run is part of that one, and is left to AutoGen.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from contextvars import ContextVar
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
    """Send each run of an agent by itself through a function from now on.

    `run` keeps its own result, which need not be that of `run_stream`: in the supervised run it is
    called in its place.
    """
    run = BaseChatAgent.run

    @functools.wraps(run)
    async def routed(self: BaseChatAgent, **options: Any) -> TaskResult:
        stream = through(self, options) if SCOPE.get() is None else None
        if stream is None:
            return await run(self, **options)
        before = _RUN.set((self, run))
        try:
            return await _result(stream)
        finally:
            _RUN.reset(before)

    _replace_run_stream(BaseChatAgent, through)
    cast(Any, BaseChatAgent).run = routed


_RUN: ContextVar[tuple[object, Callable[..., Awaitable[TaskResult]]] | None] = ContextVar(
    "supervisor_agent_run", default=None
)
"""The agent whose `run` is called, and AutoGen's method."""


def _replace_run_stream(cls: Any, through: Through) -> None:
    stock: Callable[..., Stream] = getattr(cls, _RUN_STREAM)

    @functools.wraps(stock)
    def routed(self: Any, **options: Any) -> Stream:
        if SCOPE.get() is None:
            return _routed(stock, through, self, options)
        wanted = _RUN.get()
        if wanted is not None and wanted[0] is self:
            _RUN.set(None)  # in the driver's context
            return _as_stream(wanted[1](self, **options))
        return stock(self, **options)

    setattr(cls, _RUN_STREAM, routed)


async def _as_stream(run: Awaitable[TaskResult]) -> Stream:
    yield await run


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

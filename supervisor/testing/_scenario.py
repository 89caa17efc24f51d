"""A scenario that a sweep stops, the ways to stop it, and one run of it."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import TextMessage
from autogen_core import CancellationToken

from supervisor import Ladder, Run, Rung, Supervisor
from supervisor.testing._agreement import Agreement
from supervisor.testing._settled import said
from supervisor.testing._steps import Steps
from supervisor.testing._tools import ToolLog
from supervisor.types import Runnable

REASON: Final = "Stopped by the sweep"
"""The reason of the stop."""

SECONDS: Final = 10.0
"""The limit for a turn that ends in DRAIN, and for a run that follows; longer counts as hanging."""


class Way(enum.Enum):
    """A way to stop a run."""

    CANCEL = "sup.stop()"
    DRAIN = "sup.stop() at DRAIN"
    TASK = "the caller's task is cancelled"
    TOKEN = "the caller's token is cancelled"  # noqa: S105 - no password
    BREAK = "the loop over its events is left"
    ABANDON = "sup.stop() at ABANDON"


Stop = tuple[int, Way]
"""A step, and how the run is stopped just before it."""

_RUNGS: Final = {Way.CANCEL: Rung.CANCEL, Way.DRAIN: Rung.DRAIN, Way.ABANDON: Rung.ABANDON}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is run, stopped, and run again.

    Args:
        make: Makes a fresh team or agent. If something has to be closed afterwards, it returns an
            async context manager that gives the team.
        task: The task of each run.
        tools: The log of its tools, if it has any; it is cleared before each run.
        is_ordered: Whether its members always speak in the same order. Members of parallel branches
            may speak in another order after a stop, and their messages must not depend on that.
        restarts: Whether each run starts over with a task, as MagenticOne does. Messages after a
            stop are then not compared.
        resets: Whether, at every third step, the team is reset and has to start over. Set False if
            a reset does not reach everything: AutoGen's tools do not reset the team or agent behind
            them.
        reloads: Whether, at every third step, a fresh team loads the state of the stopped team and
            goes on in its place. Only for teams that save everything: AutoGen's tools, filters,
            selectors and societies do not.
        fast_path: Whether its runs take the supervisor's fast path. It is off by default because it
            changes the number of steps, which then depends on logging and tracing.
        name: The name in error messages.
    """

    make: Callable[[], Runnable | AbstractAsyncContextManager[Runnable]]
    task: str = "Begin"
    tools: ToolLog | None = None
    is_ordered: bool = True
    restarts: bool = False
    resets: bool = True
    reloads: bool = False
    fast_path: bool = False
    name: str = "the scenario"

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncGenerator[Runnable, None]:
        """Return a fresh team."""
        made = self.make()
        if isinstance(made, AbstractAsyncContextManager):
            async with made as team:
                yield team
        else:
            yield made


class Attempt:
    """One run of a scenario, with or without stops.

    Args:
        scenario: The scenario.
        team: Its team.
    """

    def __init__(self, scenario: Scenario, team: Runnable) -> None:
        self.scenario = scenario
        self.team = team
        self.task = TextMessage(content=scenario.task, source="user")
        self.agreement = Agreement(team)
        self.steps = Steps()
        self.seconds = 0.0
        """How long the run took."""
        self.left_at = 0
        """The number of steps when the loop over its events was left, or ended."""
        self._said_at_call: list[int] = []
        self._token = CancellationToken()
        self._run: Run | None = None
        self._reader: asyncio.Task[TaskResult | None] | None = None
        self._wants_to_leave = False

    async def make(self, stops: Sequence[Stop] = ()) -> None:
        """Run the team, and stop it.

        Args:
            stops: Before which steps, and in which ways.
        """
        self._watch_tools()
        begun = asyncio.get_running_loop().time()
        ladder, fast_path = Ladder(drain=SECONDS), self.scenario.fast_path
        async with Supervisor(signals={}, ladder=ladder, fast_path=fast_path) as sup:
            with self.steps as steps:
                for step, way in stops:
                    steps.before(step, self._call(sup, way))
                run = self._run = sup.stream(self.team, self.task, cancellation_token=self._token)
                leaves = any(way is Way.BREAK for _, way in stops)
                self._reader = asyncio.create_task(self._iterate(run) if leaves else run)
                await asyncio.wait([self._reader])
        assert self._reader is not None
        await asyncio.wait([self._reader])  # at ABANDON the block is cancelled before it
        self.seconds = asyncio.get_running_loop().time() - begun

    def _watch_tools(self) -> None:
        log = self.scenario.tools
        if log is not None:
            log.clear()
            log.on_start = lambda: self._said_at_call.append(len(said(self.team)))

    def _call(self, sup: Supervisor, way: Way) -> Callable[[], object]:
        if way in _RUNGS:
            return lambda: sup.stop(REASON, _RUNGS[way])
        if way is Way.TOKEN:
            return self._token.cancel
        return self._leave if way is Way.BREAK else self._cancel_reader

    def _cancel_reader(self) -> None:
        assert self._reader is not None  # it takes the first step
        self._reader.cancel()

    def _leave(self) -> None:
        self._wants_to_leave = True

    async def _iterate(self, run: Run) -> TaskResult | None:
        self.left_at = sys.maxsize
        async for event in run:
            if self._wants_to_leave and not isinstance(event, TaskResult):
                self.left_at = self.steps.taken
                return None
        return run.result

    @property
    def result(self) -> TaskResult | None:
        """What the run returned; None if its caller was cancelled first."""
        if self._reader is None or self._reader.cancelled():
            return None
        return self._reader.result()

    @property
    def run(self) -> Run:
        """The run that was made."""
        assert self._run is not None
        return self._run

    @property
    def said_at_calls(self) -> list[int]:
        """The number of the team's messages when each tool call began."""
        return list(self._said_at_call)

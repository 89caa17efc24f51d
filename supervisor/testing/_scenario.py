"""What a sweep stops, and how: a scenario, the ways to stop it, and one attempt at it."""

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
"""Why the supervisor was told to stop."""

SECONDS: Final = 10.0
"""What takes longer hangs: a turn that is to end in DRAIN, a run that follows a stop."""


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
        make: Makes the team, or the agent, afresh. Where something has to be closed afterwards, an
            async context manager that gives it.
        task: What it is asked for.
        tools: The log of its tools, where it has any; it is cleared before each run.
        is_ordered: Whether its members speak in one order only. Those of parallel branches may be
            heard in another order after a stop, and what they say must not depend on it.
        restarts: Whether each run starts anew, with a task, as MagenticOne's does. What is said
            after a stop is then not compared.
        resets: Whether, at every third step, the team is reset, and has to begin anew. For what
            resets all that it holds: AutoGen's tools do not reset the team or agent behind them.
        reloads: Whether, at every third step, a fresh team that has loaded the stopped one's state
            goes on in its place. For what saves all that it holds: AutoGen's tools, filters,
            selectors and societies do not.
        fast_path: Whether its runs take the supervisor's fast path. It is off unless told, for it
            changes the number of steps, which then depends on who logs and traces.
        name: What errors call it.
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
    """A run of a scenario that is stopped, or is not.

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
        """How many steps were taken when the loop over its events was left, or had ended."""
        self._said_at_call: list[int] = []
        self._token = CancellationToken()
        self._run: Run | None = None
        self._reader: asyncio.Task[TaskResult | None] | None = None
        self._wants_to_leave = False

    async def make(self, stops: Sequence[Stop] = ()) -> None:
        """Run the team, and stop it so.

        Args:
            stops: When, and how.
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
        if self._reader is not None:  # at ABANDON the block is cancelled before it
            await asyncio.wait([self._reader])
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
        if self._reader is not None:
            self._reader.cancel()

    def _leave(self) -> None:
        self._wants_to_leave = True

    async def _iterate(self, run: Run) -> TaskResult | None:
        self.left_at = sys.maxsize
        async for event in run:
            if isinstance(event, TaskResult):
                return event
            if self._wants_to_leave:
                self.left_at = self.steps.taken
                break
        return None

    @property
    def result(self) -> TaskResult | None:
        """What the run has returned; None where its caller did not live to see it."""
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
        """How much the team held when each call of a tool began."""
        return list(self._said_at_call)

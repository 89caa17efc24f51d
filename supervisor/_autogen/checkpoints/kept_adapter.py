"""The adapters of teams and agents whose run is kept: a run with an id."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from autogen_agentchat.base import ChatAgent

from supervisor._autogen.adapter import AgentAdapter, Runnable, Task, TeamAdapter
from supervisor._autogen.checkpoints.kept_run import KeptRun
from supervisor._autogen.checkpoints.recording import without_fast_path
from supervisor._autogen.messages import Event, TaskResult
from supervisor._core.adapter import Control, OnKept
from supervisor._core.run_state import Conclusion
from supervisor._core.tasks import AnyTask


class KeptTeamAdapter(TeamAdapter):
    """A team whose run is kept.

    Args:
        team: The team.
        task: What it is given; None where the run is there.
        kept: What is kept of the run.
        options: The other arguments of `TeamAdapter`.
    """

    def __init__(self, team: Runnable, task: Task | None, kept: KeptRun, **options: Any) -> None:
        super().__init__(team, task, **without_fast_path(options, kept.settings))
        self._kept = kept

    def bind(self, control: Control[Event, TaskResult]) -> None:
        """Get to know the run."""
        super().bind(control)
        self._kept.bind(self)

    @property
    def team(self) -> object:
        """The team, or the agent."""
        return self._team

    @property
    def control(self) -> Control[Event, TaskResult]:
        """The run."""
        return self._control

    async def prepare(self) -> None:
        """Take the run, and have the team stand where it stood."""
        await super().prepare()
        self._task = await self._kept.prepare(self._task, self._things)

    def start(self) -> AsyncIterator[Event]:
        """Start it, unless it has ended before."""
        if self._kept.over is not None:
            return _only(self._kept.over)
        assert self._kept.recording is not None, "it was prepared"
        return self._kept.recording.pass_on(super().start())

    def close(self) -> None:
        """Take away what `open` has put in place; write no further step."""
        if self._kept.recording is not None:
            self._kept.recording.close()
            self.earlier = self._kept.recording.earlier
        super().close()

    def keep(self, on_end: OnKept) -> Conclusion | None:
        """Write how it has ended, and give it up."""
        return self._kept.end(on_end)

    def refused(self, left: list[AnyTask], seconds: float) -> BaseException | None:
        """Put it into quarantine, and let its lease end."""
        self._kept.refused()
        return super().refused(left, seconds)

    def unconcluded(self) -> None:
        """Note that the store, or the user's code, has refused to end."""
        if self._kept.is_ending:
            self._kept.wait_no_more()
        else:
            super().unconcluded()

    def so_far(self) -> TaskResult:
        """Return a result of what was delivered until now, and before in other processes."""
        return self._whole(super().so_far())

    def result(self) -> TaskResult:
        """Return what the run has come to, in all processes."""
        return self._whole(super().result())

    def _whole(self, result: TaskResult) -> TaskResult:
        return result if self._kept.recording is None else self._kept.recording.whole(result)


class KeptAgentAdapter(KeptTeamAdapter, AgentAdapter):
    """A single agent whose run is kept."""


def kept_adapter_of(runnable: Runnable) -> type[KeptTeamAdapter]:
    """Return the adapter for this team or agent."""
    return KeptAgentAdapter if isinstance(runnable, ChatAgent) else KeptTeamAdapter


async def _only(result: TaskResult) -> AsyncIterator[Event]:
    yield result

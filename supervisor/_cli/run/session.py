"""One run of a team on the command line, from loading it to the exit status."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from supervisor._cli import options
from supervisor._cli.output.outcome import FAILED, Failure, Outcome
from supervisor._cli.output.text import TextOutput
from supervisor._cli.run.command_line import Command, task_of
from supervisor._cli.targets import load

if TYPE_CHECKING:
    from supervisor._cli.output.outcome import Output
    from supervisor._cli.targets import Source
    from supervisor._supervisor.facade import Supervisor


def run(command: Command) -> None:
    """Run the team that a command names, and end the process as it should end."""
    options.install(command.settings)
    task = task_of(command)
    source = load(command.target, trust=command.trust, allow=command.allow, select=command.select)
    session = Session(source, task, TextOutput(is_quiet=command.settings.quiet))

    from supervisor._runner import run as run_supervised

    loop = command.settings.loop or "uvloop"
    run_supervised(session.body, loop=loop, stop_status=command.settings.stop_status)
    if session.outcome.error is not None:
        sys.exit(FAILED)


class Session:
    """One run of a team.

    Args:
        source: Makes the team.
        task: Its task.
        output: Shows the run.
    """

    def __init__(self, source: Source, task: str, output: Output) -> None:
        self._source = source
        self._task = task
        self._output = output
        self._began_at = time.monotonic()
        self.outcome = Outcome(status="finished")

    async def body(self, sup: Supervisor) -> None:
        """Build the team, run it, and show it."""
        self._output.attach(sup)
        try:
            await self._run(sup)
        except Exception as error:  # noqa: BLE001 - whatever the team raises
            failure = Failure(type=type(error).__name__, message=str(error))
            self.outcome = Outcome(status="failed", error=failure, seconds=self._seconds())
        self._output.end(self.outcome)

    async def _run(self, sup: Supervisor) -> None:
        from supervisor._autogen.messages import TaskResult

        team = await self._source.build()
        self._output.begin(self._source.name, self._task)
        async for event in sup.stream(team, self._task):
            if isinstance(event, TaskResult):
                self.outcome = Outcome(
                    status="finished" if sup.stop_request is None else "stopped",
                    stop_reason=event.stop_reason,
                    seconds=self._seconds(),
                )
            else:
                self._output.event(event)

    def _seconds(self) -> float:
        return time.monotonic() - self._began_at

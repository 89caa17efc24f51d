"""The process of a worker, from its start to its exit status."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Final

from supervisor import _runner
from supervisor._cli.errors import CommandError
from supervisor._cli.fleet.command_lines import WorkCommand
from supervisor._cli.fleet.hinting import has_queue
from supervisor._cli.fleet.reports import Reports
from supervisor._cli.user_code import show_traceback, summary
from supervisor._core.errors import CheckpointError, SettingsError
from supervisor._process.standard_streams import write_stderr
from supervisor._supervisor.facade import Supervisor, parts_of
from supervisor.integrations._fleet.plan import Plan

if TYPE_CHECKING:
    from supervisor._cli.targets import Source

_FAILED: Final = 1
_NEEDED: Final = "supervisor._autogen.checkpoints.kept_adapter"


def run(command: WorkCommand, load: Callable[[], Source]) -> None:
    """Work as a command says, and end the process as it should end.

    Args:
        command: What to do.
        load: Loads the target.

    Raises:
        CommandError: The store or the target cannot be.
    """
    session = Session(command)
    _runner.split_if_init(session.sup)
    session.load(load)
    loop = command.settings.loop or "uvloop"
    _runner.run_to_end(session.sup, session.body, session.conclude, loop=loop)


class Session:
    """One worker.

    Args:
        command: What to do.
    """

    def __init__(self, command: WorkCommand) -> None:
        self._command = command
        try:
            self.sup = Supervisor(
                exits=True,
                guard=True,
                children="own",
                checkpoints=command.store,
                lease=command.lease,
            )
        except SettingsError as error:
            raise CommandError(f"{error}") from None
        self._reports = Reports(command, parts_of(self.sup).keeping.runs("work").store_url)
        self._plan = Plan(
            concurrency=command.concurrency,
            attempts=command.attempts,
            first_pause=command.backoff[0],
            longest_pause=command.backoff[1],
        )
        self._error: BaseException | None = None

    def load(self, load: Callable[[], Source]) -> None:
        """Load what makes the teams; no loop runs yet."""
        self._source = load()
        import_module(_NEEDED)  # at once: else the first run would wait for it

    async def body(self, sup: Supervisor) -> None:
        """Work, until a stop or the end of the work."""
        work = asyncio.create_task(self._work(sup))
        # It knows of a stop from here on: nothing cancels it before ABANDON.
        stop = asyncio.create_task(sup.wait_stop())
        try:
            await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({work})
        finally:
            stop.cancel()
        self._error = work.exception()

    async def _work(self, sup: Supervisor) -> None:
        from supervisor._autogen import log_filter

        log_filter.leave_errors_to_caller()
        build = self._source.build
        if has_queue(self._command.store):
            from supervisor.integrations._fleet.worker import Worker

            await Worker(sup, self._command.store, build, self._plan, self._reports).work()
        else:
            from supervisor.integrations._fleet.one_pass import carry_all_on

            await carry_all_on(sup, build, self._plan, self._reports)

    def conclude(self, raised: BaseException | None) -> int:
        """Tell of an error, and return the exit status; -n for death by signal n."""
        error = self._error or raised
        if error is not None:
            if not isinstance(error, CheckpointError | CommandError):
                show_traceback(error)
            write_stderr(f"supervisor: {summary(error)}\n")
            return error.status if isinstance(error, CommandError) else _FAILED
        request = self.sup.stop_request
        if request is not None and request.signal is not None:
            stop_status = self._command.settings.stop_status
            return -request.signal if stop_status is None else stop_status
        return _FAILED if self._reports.has_failures else 0

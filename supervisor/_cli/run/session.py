"""One run of a team on the command line, from loading it to the exit status."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from supervisor import _runner
from supervisor._cli.errors import CommandError
from supervisor._cli.output.outcome import FAILED, TIMED_OUT
from supervisor._cli.output.own_stdout import take_stdout
from supervisor._cli.run.command_line import Command
from supervisor._cli.run.keeping import Keeping
from supervisor._cli.run.loading import Loading, told_of_stops
from supervisor._cli.run.questions import Questions
from supervisor._cli.run.tally import Tally
from supervisor._cli.run.time_limit import TimeLimit
from supervisor._cli.user_code import show_traceback, summary
from supervisor._core.errors import CheckpointError, Quarantined, SettingsError
from supervisor._core.events import Rung, StopRequest
from supervisor._core.run import earlier_of
from supervisor._process.standard_streams import write_stderr
from supervisor._supervisor.facade import Supervisor, parts_of

if TYPE_CHECKING:
    from supervisor._autogen.adapter import Runnable
    from supervisor._cli.output.outcome import Output
    from supervisor._reports.outcome import Outcome

_LOOK_SECONDS: Final = 0.05  # at whether a slow reader has taken enough
_SIGPIPE: Final = getattr(signal, "SIGPIPE", 13)
_NOBODY_READS: Final = "Nobody reads stdout any more"


def run(command: Command, loading: Loading) -> None:
    """Run the team that a command names, and end the process as it should end.

    Args:
        command: What to run, and how.
        loading: Loads its task and its target, unless that is done.
    """
    try:
        keeping = Keeping(command)
        sup = Supervisor(exits=True, guard=True, children="own", checkpoints=keeping.url)
    except SettingsError as error:
        raise CommandError(f"{error}") from None
    _runner.split_if_init(sup)
    session = Session(command, sup, loading, keeping)
    session.load()
    session.time_limit.start()
    loop = command.settings.loop or "uvloop"
    _runner.run_to_end(sup, session.body, session.conclude, loop=loop)


class Session:
    """One run of a team.

    Args:
        command: What to run, and how.
        sup: Its supervisor.
        loading: Loads its task and its target, unless that is done.
        keeping: How it is kept.
    """

    def __init__(
        self, command: Command, sup: Supervisor, loading: Loading, keeping: Keeping
    ) -> None:
        self._command = command
        self._sup = sup
        self.time_limit = TimeLimit(sup, command.settings.timeout)
        self._keeping = keeping
        self._tally = Tally(sup, self.time_limit, keeping)
        self._questions = Questions()
        self._has_begun = False
        self._loading = loading
        self._write_error: OSError | None = None
        self._output = self._make_output()

    # -- before any loop runs -----------------------------------------------------------------

    def load(self) -> None:
        """Read the task, and load the target, unless that is done.

        Raises:
            CommandError: One of them cannot be.
        """
        command = self._command
        try:
            with told_of_stops(self._end_early, is_wanted=command.output_format != "text"):
                self._loading.load()
        except CommandError as error:
            if command.output_format == "text":
                raise
            self._tally.error = error
            self.conclude(None)
            sys.exit(error.status)

    def _end_early(self, number: signal.Signals) -> None:
        """Tell of a stop that has come while the target was being loaded."""
        self._begin()
        self._output.end(self._tally.stopped_early(number))

    def _make_output(self) -> Output:
        if self._command.output_format == "text":
            from supervisor._cli.output.look import STDOUT, Look
            from supervisor._cli.output.text import TextOutput

            is_quiet = self._command.settings.quiet
            return TextOutput(
                is_quiet=is_quiet,
                is_verbose=self._command.verbose,
                look=Look(os.environ, take_stdout() if is_quiet else STDOUT),
                on_error=self._on_write_error,
            )
        if sys.platform == "win32":
            raise CommandError("the formats for programs need POSIX; on Windows leave them out")
        from supervisor._cli.output import json_output

        is_stream = self._command.output_format == "stream-json"
        make = json_output.StreamJsonOutput if is_stream else json_output.JsonOutput
        return make(self._tally.outcome, self._on_write_error)

    # -- in the loop --------------------------------------------------------------------------

    async def body(self, sup: Supervisor) -> None:
        """Build the team, run it, and show it."""
        from supervisor._autogen import log_filter

        self._output.attach(sup)
        parts_of(sup).scope.announcement.add_rung_callback(self._on_rung)
        try:
            assert self._loading.source is not None, "it was loaded"
            team = await self._loading.source.build()
            log_filter.leave_errors_to_caller()
            self._questions.take_over(team)
            self._begin(_agents(team))
            await self._stream(team)
        except Exception as error:  # noqa: BLE001 - whatever the team raises
            self._tally.error = self._keeping.refusal(error)

    async def _stream(self, team: Runnable) -> None:
        from supervisor._autogen.messages import TaskResult

        stream = self._sup.stream(
            team,
            self._loading.task,
            id=self._keeping.run_id,
            allow_changed=self._command.allow_changed,
        )
        async for event in stream:
            self._keeping.note_begun()
            if isinstance(event, TaskResult):
                self._tally.conclude(event.stop_reason, stream.stop_request)
                for message in self._tally.unseen(event.messages, earlier_of(stream)):
                    self._show(message)
            else:
                self._show(event)
                await self._until_read()

    def _show(self, event: object) -> None:
        self._tally.count(event)
        self._write(lambda: self._output.event(event))
        self._questions.note(event)

    async def _until_read(self) -> None:
        """Hold the run back while its reader is slow, until a stop cancels it."""
        # The writer's thread has no event to wait for, and a stop has to be seen meanwhile.
        while self._output.is_full and self._sup.rung < Rung.CANCEL:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)

    def _on_rung(self, rung: Rung) -> None:
        request = self._sup.stop_request
        seconds = self._sup.ladder.seconds(rung)
        facts = {
            "rung": rung.name,
            "seconds": seconds if seconds < math.inf else None,
            "reason": request.reason if request is not None else None,
            "signal": request.signal.name if request is not None and request.signal else None,
        }
        self._write(lambda: self._output.stop(facts))

    # -- at the end ---------------------------------------------------------------------------

    def conclude(self, raised: BaseException | None) -> int:
        """Tell how it has ended, and return the exit status; -n for death by signal n.

        Args:
            raised: What the loop has raised, as where a tool calls `sys.exit`.
        """
        tally = self._tally
        tally.error = tally.error or raised
        self._explain(tally.error)
        self._begin()
        outcome = tally.outcome()
        status = self._exit_status(outcome)  # now: a signal that comes later changes neither
        self._write(lambda: self._output.end(outcome))
        if self._write_error is not None and outcome.signal is None:
            return self._unwritten(self._write_error)
        return status

    def _exit_status(self, outcome: Outcome) -> int:
        if outcome.signal is not None:
            stop_status = self._command.settings.stop_status
            return -signal.Signals[outcome.signal] if stop_status is None else stop_status
        if outcome.status == "failed":
            error = self._tally.error
            return error.status if isinstance(error, CommandError) else FAILED
        if outcome.status == "stopped" and self._sup.stop_request is None:
            return FAILED  # it was cancelled from elsewhere
        return TIMED_OUT if outcome.status in ("timed_out", "abandoned") else 0

    def _unwritten(self, error: OSError) -> int:
        if isinstance(error, BrokenPipeError):
            return -_SIGPIPE
        write_stderr(f"supervisor: stdout cannot be written: {error}\n")
        return FAILED

    def _explain(self, error: BaseException | None) -> None:
        """Tell a person of an error, on stderr; of a run's, text output's last line tells, too."""
        if error is None:
            return
        is_quiet, is_text = self._command.settings.quiet, self._command.output_format == "text"
        is_plain = isinstance(error, CommandError | Quarantined | CheckpointError)
        if not is_quiet and not is_plain:
            show_traceback(error)
        if is_quiet or not is_text or isinstance(error, CommandError):
            how = "" if is_plain else "the run has failed: "
            write_stderr(f"supervisor: {how}{summary(error)}\n")

    def _begin(self, agents: list[str] | None = None) -> None:
        if not self._has_begun:
            self._has_begun = True
            name, task = self._command.target.word, self._loading.task
            self._write(lambda: self._output.begin(name, task, agents or []))

    def _write(self, write: Callable[[], None]) -> None:
        """Write something, if somebody still reads it."""
        if self._write_error is None:
            write()

    def _on_write_error(self, error: OSError) -> None:
        """Stop the run: nobody reads it any more."""
        self._write_error = error
        reason = _NOBODY_READS if isinstance(error, BrokenPipeError) else f"stdout: {error}"
        request = StopRequest(reason=reason, rung=Rung.CANCEL, cause="reader")
        parts_of(self._sup).stop.ask(request)
        self._sup.stop(reason)


def _agents(team: Runnable) -> list[str]:
    from supervisor._autogen.walk import agent_names

    return agent_names(team)

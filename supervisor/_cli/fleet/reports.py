"""What a worker says on stderr: a line for each run that it takes, and for what became of it."""

from __future__ import annotations

from typing import Final

from supervisor._checkpoints.store import RunStatus
from supervisor._cli.fleet.command_lines import WorkCommand
from supervisor._cli.output.amounts import count
from supervisor._cli.output.sanitize import one_line
from supervisor._cli.user_code import summary
from supervisor._reports.log import reporter
from supervisor.integrations._fleet.outcomes import Done, Failed, HandedOver, Held, Outcome

_END: Final = {None: "is not there any more", RunStatus.STOPPED: "is stopped, and rests"}


class Reports:
    """Says what a worker does, from a thread of its own.

    Args:
        command: The worker's.
        store: The store, for a person.
    """

    def __init__(self, command: WorkCommand, store: str) -> None:
        self._store = store
        self._attempts = command.attempts
        self._concurrency = command.concurrency
        self._problem = ""
        self.has_failures = False
        """Whether a run has failed."""

    def at_work(self) -> None:
        """Say that it takes runs."""
        self._problem = ""
        _say(f"at work on {self._store}, {count(self._concurrency, 'run')} at a time")

    def ended(self, run_id: str, outcome: Outcome, pause: float | None) -> None:
        """Say what has become of a run."""
        self.has_failures = self.has_failures or isinstance(outcome, Failed)
        _say(f"run {one_line(run_id)!r} {self._words(outcome, pause)}")

    def _words(self, outcome: Outcome, pause: float | None) -> str:
        match outcome:
            case Done(status):
                return _END.get(status, f"is {status}")
            case HandedOver():
                return "is handed over"
            case Held():
                return "is another worker's"
            case _:
                return self._failure(outcome, pause)

    def _failure(self, failed: Failed, pause: float | None) -> str:
        error = one_line(summary(failed.error))
        said = f"has failed ({failed.failures} of {self._attempts}): {error}"
        if failed.is_at_rest:
            return f"{said}; it rests until `retry` has it tried again"
        return said if pause is None else f"{said}; it is tried again in {pause:g} s"

    def unavailable(self, problem: str) -> None:
        """Say why the store cannot be used, unless that was the last thing that was said of it."""
        if problem != self._problem:
            self._problem = problem
            _say(f"the store cannot be used: {one_line(problem)}; it is tried again each second")


def _say(line: str) -> None:
    reporter.write(f"supervisor: {line}\n")

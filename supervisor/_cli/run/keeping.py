"""`--checkpoints` and `--id`: in which store a run is kept, as what, and what goes on with it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from supervisor._checkpoints.database import Damaged
from supervisor._cli.errors import CommandError
from supervisor._cli.stored_runs.names import new_name
from supervisor._cli.stored_runs.store import url_of, without_password
from supervisor._core.errors import (
    CheckpointError,
    LeaseLost,
    RunCancelled,
    RunHeld,
    RunMismatch,
    RunNotFound,
    SettingsError,
    StoreUnavailable,
    UsageError,
)

if TYPE_CHECKING:
    from supervisor._cli.run.command_line import Command


_FAILED: Final = 1
_ADVICE: Final[dict[type[CheckpointError], str]] = {
    RunHeld: "cancel it, wait for its end, or give another --id",
    RunMismatch: "give another --id, or --allow-changed to go on all the same",
    RunNotFound: "give a TASK to begin it",
    RunCancelled: "give another --id, or forget it to begin it anew",
}
"""What to do at the command line; the errors' own words are for code."""


class RunRefused(CommandError):
    """A run that is kept cannot be begun or continued; nothing of it was changed.

    Args:
        error: Why.
    """

    def __init__(self, error: CheckpointError) -> None:
        self.type_name = type(error).__name__
        """The name of the error's class."""
        said, _, advice = str(error).partition("; ")
        advice = next((text for kind, text in _ADVICE.items() if isinstance(error, kind)), advice)
        if isinstance(error, RunMismatch) and error.what == "kind":
            advice = "give another --id"
        if isinstance(error, RunMismatch) and error.what == "members":
            advice = "give it the team it was begun with, or another --id"
        super().__init__(f"{said}; {advice}", _FAILED)


class Keeping:
    """How one run is kept.

    Args:
        command: What to run, and how.

    Raises:
        SettingsError: The URL names no store.
    """

    def __init__(self, command: Command) -> None:
        self._command = command
        self.url = url_of(command.checkpoints) if command.is_kept else None
        """The store's URL; None where the run is not kept."""
        self.run_id = (command.run_id or new_name()) if command.is_kept else None
        """The run's id in that store; None where it is not kept."""
        given = command.checkpoints
        self._shown_url = None if given is None else without_password(given)
        self._has_begun = command.task is None and command.task_file is None  # then it is there

    def note_begun(self) -> None:
        """Note that the store has the run."""
        self._has_begun = True

    def refusal(self, error: Exception) -> Exception:
        """Return an error of a run as it is to be told."""
        if isinstance(error, CheckpointError) and not self._can_go_on_after(error):
            return RunRefused(error)
        return error

    def resume_line(self, error: BaseException | None) -> str | None:
        """Return the command line that goes on with a run that has not come to its end.

        Args:
            error: What it has failed with.

        Returns:
            The line; None where nothing is kept, or nothing goes on with it.
        """
        if self.run_id is None or not self._can_go_on_after(error):
            return None
        return shlex.join(["autogen-supervisor", "run", *self._words(), "--id", self.run_id])

    def _can_go_on_after(self, error: BaseException | None) -> bool:
        if isinstance(error, StoreUnavailable):
            return self._has_begun and not isinstance(error, Damaged)
        refused = (RunRefused, CheckpointError, LeaseLost, SettingsError, UsageError)
        return self._has_begun and not isinstance(error, refused)

    def _words(self) -> list[str]:
        command = self._command
        words = [command.target.word]
        words += ["--trust"] if command.trust else []
        words += [word for namespace in command.allow for word in ("--allow", namespace)]
        words += ["--select", command.select] if command.select is not None else []
        words += ["--checkpoints", self._shown_url] if self._shown_url else []
        return words

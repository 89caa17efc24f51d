"""What shows a run on the command line, and with which exit status one ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from supervisor._reports.outcome import Failure, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from supervisor._supervisor.facade import Supervisor

FAILED: Final = 1
TIMED_OUT: Final = 124


@dataclass(frozen=True, kw_only=True)
class TargetFailure(Failure):
    """There was no run, for the target or its task cannot be loaded; stderr has told of it."""

    type: str = "TargetError"


class Output(Protocol):
    """Shows a run; to be derived from. Its methods are called in the main thread."""

    def attach(self, sup: Supervisor) -> None:  # noqa: ARG002
        """Show the stop of this supervisor, whose block is open; called before all else."""
        return

    def begin(self, name: str, task: str | None, agents: Sequence[str] = ()) -> None:
        """Show that a run begins.

        Args:
            name: The target's name.
            task: What it has to do; None to go on.
            agents: The names of its agents.
        """
        ...

    def event(self, event: object) -> None:
        """Show one event of the run, in the loop: a message or a chunk of AutoGen's."""
        ...

    def stop(self, facts: Mapping[str, object]) -> None:
        """Show that a stop enters a rung, in the loop: `rung`, `seconds`, `reason`, `signal`."""
        ...

    @property
    def is_full(self) -> bool:
        """Whether the reader is so slow that the run should wait."""
        ...

    def end(self, outcome: Outcome) -> None:
        """Show how it has ended; called once, after everything else.

        An error was told on stderr already, with its traceback.
        """
        ...

"""How a run on the command line has ended, and what shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from supervisor._supervisor.facade import Supervisor

Status: TypeAlias = Literal[
    "finished", "failed", "stopped", "timed_out", "abandoned", "forced", "killed"
]
"""How a run has ended.

finished: by itself. failed: by an exception, or it could not be loaded. stopped: by a signal, in
order. timed_out: at `--timeout`, in order. abandoned: something was given up that refused to stop.
forced: the process had to be ended. killed: from outside, by SIGKILL.
"""

FAILED: Final = 1
TIMED_OUT: Final = 124


@dataclass(frozen=True, kw_only=True)
class Usage:
    """How many tokens models have read and written, as far as they tell."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
        )

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The exception that has ended a run: the name of its class, and what it says."""

    type: str
    message: str


@dataclass(frozen=True, kw_only=True)
class TargetFailure(Failure):
    """There was no run, for the target or its task cannot be loaded; stderr has told of it."""

    type: str = "TargetError"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run has ended.

    Args:
        status: In one word.
        stop_reason: The `stop_reason` of its result; without a result, that of the stop.
        signal: The name of the signal that has stopped it, as "SIGTERM".
        messages: How many messages there are.
        usage: The tokens.
        seconds: How long it took.
        resume: What to resume it by; None where nothing was saved.
        error: What has ended it.
    """

    status: Status
    stop_reason: str | None = None
    signal: str | None = None
    messages: int = 0
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    resume: str | None = None
    error: Failure | None = None


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

    def stop(self, facts: Mapping[str, object]) -> None:  # noqa: ARG002
        """Show that a stop enters a rung, in the loop: `rung`, `seconds`, `reason`, `signal`."""
        return

    @property
    def is_full(self) -> bool:
        """Whether the reader is so slow that the run should wait."""
        return False

    def end(self, outcome: Outcome) -> None:
        """Show how it has ended; called once, after everything else.

        An error was told on stderr already, with its traceback.
        """
        ...

"""How a run has ended: data only, the same for a person, for a program and for a web page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Status: TypeAlias = Literal[
    "finished", "failed", "stopped", "timed_out", "abandoned", "forced", "killed"
]
"""How a run has ended.

finished: by itself. failed: by an exception, or it could not be loaded. stopped: by a signal, in
order. timed_out: at `--timeout`, in order. abandoned: something was given up that refused to stop.
forced: the process had to be ended. killed: from outside, by SIGKILL.
"""


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

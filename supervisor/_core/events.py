"""What happens to a supervisor, as records: the rungs, and the request to stop.

Data only. Whoever learns of a stop, on whatever thread, makes one `StopRequest` and hands that on,
so that the log, the `TaskResult`, the error and the user's callback all tell the same story.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from signal import Signals  # not `import signal`: the field of that name would hide the module

__all__ = ["Rung", "StopRequest"]


class Rung(enum.IntEnum):
    """How far a stop has gone: ordered, and only ever climbed.

    The names are the words of messages, settings and logs; compare with `<` and `>=`.
    """

    RUNNING = 0
    """Not stopping."""

    DRAIN = 1
    """No new turn begins, the current one finishes."""

    CANCEL = 2
    """Runs are cancelled, settled and repaired."""

    ABANDON = 3
    """What still runs is given up: quarantine, stack report; the body is cancelled."""

    EXIT = 4
    """The process ends from outside the loop."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StopRequest:
    """Why, by whom and when a stop was asked for, and the rung to go to.

    Args:
        reason: The cause in words, fit for `TaskResult.stop_reason` ("Stopped by SIGINT").
        rung: The rung that was asked for. Where the stop already was further, it stays there.
        signal: The signal that asked; None for code, a time limit or a failing host.
        time: When, aware and in UTC. For people and logs: the ladder has a monotonic clock of its
            own.
    """

    reason: str
    rung: Rung
    signal: Signals | None = None
    time: datetime = field(default_factory=partial(datetime.now, UTC))

"""The rungs of the ladder, and the request to stop: data only.

Each stop has one `StopRequest`, made where the stop is first noticed, on any thread. The log, the
`TaskResult`, the error and the user's callback all get this one, so they agree.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from signal import Signals  # not `import signal`: the field of that name would hide the module

__all__ = ["Rung", "StopRequest"]


class Rung(enum.IntEnum):
    """How far a stop has gone: ordered; a stop never goes back.

    The names are the words of messages, settings and logs; compare with `<` and `>=`.
    """

    RUNNING = 0
    """Not stopping."""

    DRAIN = 1
    """No new turn begins. The current one finishes."""

    CANCEL = 2
    """Runs are cancelled, and their teams put in order."""

    ABANDON = 3
    """What still runs is given up: it is quarantined and reported. The body is cancelled."""

    EXIT = 4
    """The process ends from outside the loop."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StopRequest:
    """Who asked for a stop, when and why, and the rung to go to.

    Args:
        reason: The cause in words, fit for `TaskResult.stop_reason` ("Stopped by SIGINT").
        rung: The rung that was asked for. A stop that is further already stays where it is.
        signal: The signal that asked; None for code, a time limit or a failing body.
        cause: The cause in one word, for metrics: the name of the signal, "timeout" (a time limit),
            "client" (a client has disconnected), "reader" (a loop was left), "cancelled" (the
            caller was cancelled), or else "code".
        time: The time, aware and in UTC. For people and logs: the ladder has its own monotonic
            clock.
    """

    reason: str
    rung: Rung
    signal: Signals | None = None
    cause: str = "code"
    time: datetime = field(default_factory=partial(datetime.now, UTC))

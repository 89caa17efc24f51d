"""A stop that a server tells its worker by an event, and by no signal: hypercorn's command line.

Its parent sets an event of multiprocessing's, and the worker looks at it every 0.1 s. Such a stop
cannot be held, only heard: the server closes its listeners at once, and gives open responses its
`graceful_timeout`. So the ladder begins at once, too, and has to be over by then.

The event is an argument of the worker's process, which has the rest of its configuration as well.
Nothing of hypercorn is imported.

Not chosen: to wait for the event, instead of looking at it as hypercorn does. Whoever sets it waits
until each waiter has woken, so a parent would hang for good if a worker had died while it waited.
"""

from __future__ import annotations

import math
import multiprocessing
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

_LOOK_SECONDS: Final = 0.05
_EVENT: Final = "shutdown_event"


def is_needed() -> bool:
    """Return whether this is a worker of hypercorn's, which gets no signal."""
    return "hypercorn" in sys.modules and multiprocessing.parent_process() is not None


class WorkerEvent:
    """The event that tells this process to stop.

    Args:
        on_set: Called in a thread of its own once it is set, with the seconds that the server gives
            to open responses.
    """

    def __init__(self, on_set: Callable[[float], None]) -> None:
        self._on_set = on_set
        self._is_over = threading.Event()
        arguments: Any = getattr(multiprocessing.current_process(), "_kwargs", None) or {}
        self._event: Any = arguments.get(_EVENT)
        self._grace = _seconds(getattr(arguments.get("config"), "graceful_timeout", None))

    @property
    def is_found(self) -> bool:
        """Whether there is one."""
        return callable(getattr(self._event, "is_set", None))

    def watch(self) -> None:
        """Look at it from here on, until it is set."""
        threading.Thread(target=self._watch, name="supervisor-worker-event", daemon=True).start()

    def close(self) -> None:
        """Look at it no more."""
        self._is_over.set()

    def _watch(self) -> None:
        while not self._is_over.wait(_LOOK_SECONDS):
            if self._event.is_set():
                self._on_set(self._grace)
                return


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.inf

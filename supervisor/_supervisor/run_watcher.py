"""Who has to know of the runs that are started in a context: a web host's request, of its own runs.

The context says so, and not an argument of `stream()`: a handler starts a run somewhere deep in its
code, in a task or a nested block of its own. The supervisor remembers the watcher with the run,
because the run ends in another context than the one in which it has started.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol

from supervisor._core.events import StopRequest
from supervisor._core.stoppable import Stoppable


class RunWatcher(Protocol):
    """Learns of the runs of one context, in the thread and the task that start them."""

    def on_run(self, run: Stoppable) -> None:
        """Note a run that is about to start."""
        ...

    def on_run_over(self) -> None:
        """Note that a run is done, of those that it was told of."""
        ...

    def on_refused(self, request: StopRequest) -> None:
        """Note that something was not started, for a stop had been requested."""
        ...


WATCHER: ContextVar[RunWatcher | None] = ContextVar("supervisor_run_watcher", default=None)
"""Who watches the runs that are started here."""

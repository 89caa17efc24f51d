"""A pause of Python's garbage collector, while very many runs are stopped.

A collection of the oldest generation looks at every object of the process. The stop of a thousand
runs makes and drops so many that one or two fall into it, and each may take longer than all the
rest. So the collector is off from CANCEL until they are settled, a second at most; with few runs
it is left alone. It belongs to the process: where somebody has switched it off, or on again
meanwhile, it stays so.
"""

from __future__ import annotations

import contextlib
import gc
import math
from typing import Final

from supervisor._signals.registry import registry

MANY: Final = 100
"""Up to so many runs, the collector is left alone."""

SECONDS: Final = 1.0
"""How long it is off at most."""


class GcPause:
    """One pause of the collector. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self._until = math.inf
        self._forks = contextlib.ExitStack()  # a child that is made meanwhile has it on
        self._was_begun = False

    @property
    def until(self) -> float | None:
        """When it ends at the latest, by the clock of the ladders; None while there is none."""
        return self._until if self._until < math.inf else None

    def begin(self, runs: int, now: float) -> None:
        """Switch the collector off, where that many runs are stopped; only once.

        Args:
            runs: How many are to be stopped.
            now: The time.
        """
        if self._was_begun or runs <= MANY or not gc.isenabled():
            return
        self._was_begun = True
        self._forks.enter_context(registry.forks.undone_in_children(gc.enable))
        self._until = now + SECONDS
        gc.disable()

    def look(self, now: float) -> None:
        """End it if it is time."""
        if now >= self._until:
            self.end()

    def end(self) -> None:
        """Switch the collector on, if it was switched off."""
        if self._until < math.inf:
            self._until = math.inf
            gc.enable()
            self._forks.close()

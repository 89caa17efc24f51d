"""The messages of a run's result, across the processes in which it was at work.

What was shown in this process is a log. At the next start it is merged with the thread of the
outermost team, as after a stop (`results.py`), and becomes part of the output of earlier processes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from supervisor._autogen.checkpoints.logs import Cut
from supervisor._autogen.history.team_run import TeamRun
from supervisor._autogen.messages import Item

Shown = Callable[[int], Sequence[Item]]
"""Returns what was shown in this process from a place on, in order."""


class Output:
    """The output of a run, as a store is told of it.

    Args:
        shown: Returns what was shown in this process.
    """

    def __init__(self, shown: Shown) -> None:
        self.earlier: list[Item] = []
        """What earlier processes have shown."""
        self._shown = shown
        self._count = 0
        self._ids: set[str] = set()
        self._passed = 0  # so many of what the members have said were shown

    def add(self, cut: Cut) -> None:
        """Add what is new of it to a snapshot."""
        if self.earlier:
            cut.add("output", self.earlier)
        new = self._shown(self._count)
        self._ids.update(item.id for item in new)
        cut.extend("shown", self._count, new)
        self._count += len(new)

    def late(self, root: TeamRun | None) -> list[Item]:
        """Return what members have said and was not shown yet: it is on its way."""
        if root is None:
            return []
        said = root.transcript.items
        while self._passed < len(said) and said[self._passed].id in self._ids:
            self._passed += 1
        return [item for item in said[self._passed :] if item.id not in self._ids]

    def end(self, cut: Cut, messages: Sequence[Item]) -> None:
        """Write the whole output, at the end of the run."""
        cut.add("output", messages)
        cut.extend("shown", 0, [])

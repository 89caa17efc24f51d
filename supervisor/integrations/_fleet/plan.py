"""How a worker works, and what it tells of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from supervisor.integrations._fleet.outcomes import Outcome

_MOST_DOUBLINGS: Final = 64
_YEAR: Final = 365 * 86_400.0  # in seconds; a database cannot name a time that is too far away


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a worker works.

    Args:
        concurrency: How many runs at once.
        attempts: How many errors a run may meet until it comes to rest.
        first_pause: The seconds after the first error until the run is tried again.
        longest_pause: The same after many: each pause is twice the one before. No pause is longer
            than a year, whatever these say.
    """

    concurrency: int
    attempts: int
    first_pause: float
    longest_pause: float

    def pause(self, failures: int) -> float:
        """Return the seconds to wait after so many errors."""
        doublings = min(max(failures - 1, 0), _MOST_DOUBLINGS)
        return float(min(self.first_pause * 2.0**doublings, self.longest_pause, _YEAR))


class Report(Protocol):
    """Is told what a worker does. Nothing of it may wait."""

    def at_work(self) -> None:
        """Note that runs are taken from here on."""
        ...

    def ended(self, run_id: str, outcome: Outcome, pause: float | None) -> None:
        """Note what has become of a run.

        Args:
            run_id: The run.
            outcome: What has become of it.
            pause: In how many seconds it is tried again; None: it is left alone.
        """
        ...

    def unavailable(self, problem: str) -> None:
        """Note what the database says that cannot be used; once for each try."""
        ...

"""How a supervisor keeps runs: its settings, checked; and what it has of them once one is needed.

Nothing of a store is imported before a program names one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final, cast, get_args

from supervisor._checkpoints.settings import Durability, KeepingSettings
from supervisor._core.errors import SettingsError, UsageError
from supervisor._core.events import Rung
from supervisor._core.settings import Ladder, parse_seconds

if TYPE_CHECKING:
    from supervisor._checkpoints.kept_runs import KeptRuns
    from supervisor._checkpoints.store import CheckpointStore

LEASE_SECONDS: Final = 15.0

_STORE: Final = 'give a URL, as "sqlite:///runs.db" or "postgresql://...", or a CheckpointStore'
_DURABILITY: Final = "give 'async', 'sync' or 'exit'"
_LEASE: Final = "give a finite number of seconds, more than 0"
_IDEMPOTENT: Final = 'give names of tools, as {"search"}'
_METHODS: Final = ("setup", "clone", "close", "acquire", "renew", "commit", "load")


def parse_keeping(
    checkpoints: object, durability: object, lease: object, idempotent: object
) -> KeepingSettings | None:
    """Check the settings of kept runs; None where no store is given.

    Raises:
        SettingsError: One of them cannot be.
    """
    when, seconds = _parse_durability(durability), _parse_lease(lease)
    names = _parse_idempotent(idempotent)
    if checkpoints is None:
        return None
    store = parse_store(checkpoints)
    return KeepingSettings(store=store, durability=when, lease=seconds, idempotent=names)


def parse_store(given: object) -> CheckpointStore:
    """Return the store that is given, by itself or by its URL.

    Raises:
        SettingsError: It is none.
    """
    if isinstance(given, str):
        from supervisor._checkpoints.urls import open_store

        return open_store(given)
    if any(not callable(getattr(given, name, None)) for name in _METHODS):
        raise SettingsError("checkpoints", _STORE, given)
    return given  # type: ignore[return-value]


def _parse_durability(given: object) -> Durability:
    for word in get_args(Durability):
        if given == word:
            return word  # type: ignore[no-any-return]
    raise SettingsError("durability", _DURABILITY, given)


def _parse_lease(given: object) -> float:
    seconds = parse_seconds("lease", given)
    if not 0 < seconds < math.inf:
        raise SettingsError("lease", _LEASE, given)
    return seconds


def _parse_idempotent(given: object) -> frozenset[str]:
    names = _names(given)
    if names is None:
        raise SettingsError("idempotent", _IDEMPOTENT, given)
    return names


def _names(given: object) -> frozenset[str] | None:
    if isinstance(given, str) or not isinstance(given, Collection):
        return None
    names = [*cast("Collection[object]", given)]
    found = frozenset(name for name in names if isinstance(name, str))
    return found if all(isinstance(name, str) for name in names) else None


class Keeping:
    """The runs that a supervisor keeps, made when the first is needed.

    Args:
        settings: How; None where none are kept.
        ladder: The supervisor's.
        rung: Returns how far its stop has gone.
    """

    def __init__(
        self, settings: KeepingSettings | None, ladder: Ladder, rung: Callable[[], Rung]
    ) -> None:
        self.settings = settings
        self._ladder = ladder
        self._rung = rung
        self._runs: KeptRuns | None = None

    def runs(self, what: str) -> KeptRuns:
        """Return them.

        Args:
            what: What needs them, for the error.

        Raises:
            UsageError: None are kept.
        """
        if self.settings is None:
            raise UsageError(
                f'{what} needs a store of runs; give Supervisor(checkpoints="sqlite:///runs.db")'
            )
        if self._runs is None:
            from supervisor._checkpoints.kept_runs import KeptRuns

            budget = self._ladder.budget(Rung.CANCEL)
            margin = budget if budget < math.inf else Ladder().budget(Rung.CANCEL)
            self._runs = KeptRuns(self.settings, margin, lambda: self._rung() < Rung.ABANDON)
        return self._runs

    async def aclose(self) -> None:
        """End its threads, and wait for that."""
        if self._runs is not None:
            await self._runs.aclose()

    def close(self) -> None:
        """End its threads."""
        if self._runs is not None:
            self._runs.close()

"""How a supervisor keeps runs, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from supervisor._checkpoints.store import CheckpointStore

Durability = Literal["async", "sync", "exit"]
"""When what is new of a run is written; see `Supervisor`."""


@dataclass(frozen=True, kw_only=True)
class KeepingSettings:
    """How runs are kept.

    Args:
        store: Where.
        durability: When what is new of a run is written.
        lease: For how many seconds a run is owned, unless that is renewed.
        idempotent: The names of the tools that may be called again for the same call.
    """

    store: CheckpointStore
    durability: Durability
    lease: float
    idempotent: frozenset[str]

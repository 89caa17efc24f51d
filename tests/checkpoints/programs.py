"""The programs about kept runs that the warm server's children run, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.checkpoints import racers, streams

PROGRAMS: dict[str, Callable[..., Any]] = {
    "races": racers.races,
    "forks_beside_a_store": racers.forks,
    "holds": racers.holds,
    "streams": streams.streams,
    "stops_within": racers.stops_within,
}

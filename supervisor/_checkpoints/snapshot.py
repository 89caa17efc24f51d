"""Where a run stands, as plain data: what the thread that writes it is given.

It is made in the loop, in one step, and never changed afterwards: the thread makes text of it while
the loop goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class LogChange:
    """What is new of one log.

    Args:
        log: Its name.
        start: The place of the first new item: the log's length so far, or 0 where it was changed
            otherwise and is written anew.
        items: JSON-able data.
    """

    log: str
    start: int
    items: Sequence[Any]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A moment of a run.

    Args:
        turn: How many turns are finished.
        changes: What is new of its logs since the last snapshot.
        lengths: The length of each log that is there; of others the rows do not count any more.
        rest: Everything else, as JSON-able data; small.
        states: What is written whole under a name, where it has changed: JSON-able data of any
            size. Nobody changes it until it is written.
    """

    turn: int
    changes: Sequence[LogChange]
    lengths: Mapping[str, int]
    rest: Mapping[str, Any]
    states: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What was read of a run, checked and parsed.

    Args:
        turn: How many turns are finished.
        logs: The items of each log.
        rest: The rest of the last snapshot.
        states: What was written whole, by its names.
        run_id: The run; for errors.
    """

    turn: int
    logs: Mapping[str, Sequence[Any]]
    rest: Mapping[str, Any]
    states: Mapping[str, Any] = field(default_factory=dict[str, Any])
    run_id: str = ""

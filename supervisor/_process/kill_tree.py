"""Stops and kills all descendants at once, with what a fresh interpreter has without imports.

For the two processes that must be quick and leave none behind: the guard, and the final sweep.
"""

from __future__ import annotations

import signal
import sys
import time

from supervisor._process import process_table, waiting
from supervisor._process.descendants import Descendants

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final

    from supervisor._process.process_table import Ident, Row

_ROUNDS: Final = 20  # a fork bomb of others must not delay the end
_WAIT_SECONDS: Final = 0.5  # for those that were killed to be gone


def stop_all(descendants: Descendants, is_spared: Callable[[Row], bool]) -> list[Row]:
    """Stop them with SIGSTOP until there are no new ones: one that is stopped starts no others.

    Args:
        descendants: What is known of them.
        is_spared: Returns whether one is left alone.

    Returns:
        Those that were stopped.
    """
    if sys.platform == "win32":
        return []
    seen: dict[Ident, bool] = {}
    stopped: list[Row] = []
    for _ in range(_ROUNDS):
        new = [row for row in descendants.update(process_table.read()) if row.ident not in seen]
        if not new:
            break
        for row in new:
            seen[row.ident] = is_spared(row)
            if not seen[row.ident]:
                stopped.append(row)
                process_table.send(row, signal.SIGSTOP)
    return stopped


def kill(rows: Sequence[Row]) -> None:
    """Kill them; do not wait."""
    for row in rows:
        process_table.send(row, process_table.KILL)


def wait(rows: Sequence[Row]) -> None:
    """Wait a moment for those that were killed to be gone."""
    waiting.until_ended(rows, time.monotonic() + _WAIT_SECONDS)


def is_tracker(row: Row) -> bool:
    """Return whether it is multiprocessing's resource tracker, which cleans up after the dead."""
    return any(
        "multiprocessing.resource_tracker" in word for word in process_table.command_of(row.pid)
    )

"""Stops and kills all of a descendants at once, with what a fresh interpreter without imports has.

For what must look quickly and leave nobody: the guard, and the last look of a process.
"""

from __future__ import annotations

import os
import select
import signal
import time

from supervisor._process import process_table
from supervisor._process.descendants import Descendants

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final

    from supervisor._process.process_table import Ident, Row

_ROUNDS: Final = 20  # a fork bomb of others must not delay the end
_WAIT_SECONDS: Final = 0.5  # for those that were killed to be gone


def stop_all(descendants: Descendants, is_spared: Callable[[Row], bool]) -> list[Row]:
    """Stop them, until there are no new ones: one that is stopped starts no other one.

    Args:
        descendants: Who is known.
        is_spared: Says of one whether it is left alone.

    Returns:
        Who was stopped.
    """
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
    """Kill them; does not wait."""
    for row in rows:
        process_table.send(row, signal.SIGKILL)


def wait(rows: Sequence[Row]) -> None:
    """Wait a moment for those that were killed to be gone."""
    deadline = time.monotonic() + _WAIT_SECONDS
    for row in rows:
        _wait(row, deadline)


def _wait(row: Row, deadline: float) -> None:
    try:
        fd = process_table.opened(row)
    except OSError:  # no pidfds here
        return
    if fd is None:
        return
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    poller.poll(max(0.0, deadline - time.monotonic()) * 1000)
    os.close(fd)


def is_tracker(row: Row) -> bool:
    """Whether it is multiprocessing's resource tracker, which cleans up behind those that die."""
    return any(
        "multiprocessing.resource_tracker" in word for word in process_table.command_of(row.pid)
    )

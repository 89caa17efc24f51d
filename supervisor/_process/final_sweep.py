"""The final sweep: in its last moment the process becomes a program that kills all descendants.

Any thread can start a process until ours is gone: a pool that replaces its dead workers, a tool
that runs one command after the other. A scan from inside comes too early. One from outside comes
too late, for by then they are orphans that nobody can distinguish from others. So the process
replaces itself (`exec`): that ends every other thread, and keeps the pid and the children. What it
becomes kills all that descend from it, and ends with the status that it was given.

It is a fresh interpreter with next to no imports, as the guard is, and only where there were
children. Where Python cannot be started so (an embedded one; no guard was started either) the
process scans once more by itself.
"""

from __future__ import annotations

import os
import signal
import sys

from supervisor._process import kill_tree, process_table
from supervisor._process.descendants import Descendants

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from typing import Final, NoReturn

    from supervisor._process.process_table import Ident

_ROOT: Final = os.path.abspath(__file__ + "/../../..")  # noqa: PTH100 - pathlib is too much here
_START: Final = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from supervisor._process import final_sweep; final_sweep.main()"
)


def can_become() -> bool:
    """Return whether this process can become a fresh interpreter."""
    return sys.platform != "win32" and bool(sys.executable) and os.path.isdir(_ROOT)  # noqa: PTH112


def become(status: int, descendants: Descendants, helpers: Collection[int]) -> None:
    """Become the final sweep; return only where that is not possible.

    Args:
        status: The exit status to end with, or minus the signal to die by.
        descendants: What is known of them by now.
        helpers: The pids of multiprocessing's helpers, which end by themselves.

    Raises:
        OSError: It cannot be started.
    """
    if not can_become() or sys.platform == "win32":
        return
    words = [str(status), _to_word(_idents_of(helpers)), *descendants_to_args(descendants)]
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # it must not be ended by one
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", _START, _ROOT, *words])  # noqa: S606


def _idents_of(pids: Iterable[int]) -> list[Ident]:
    rows = (process_table.row_of(pid) for pid in pids)
    return [row.ident for row in rows if row is not None]


def descendants_to_args(descendants: Descendants) -> list[str]:
    """Return what is known as words of a command line."""
    counts_group = descendants.began is not None and descendants.was_alone
    return [
        _to_word(descendants.known),
        _to_word(descendants.led.items()),
        _to_word(descendants.spared),
        repr(descendants.began) if counts_group else "",
        "daemons" if descendants.takes_daemons else "",
    ]


def descendants_from_args(root: int | None, words: Sequence[str]) -> Descendants:
    """Return what `descendants_to_args` was given, without those that have ended since."""
    known, led, spared, began, takes = words
    idents = set(_from_word(known))
    rows = (process_table.row_of(pid) for pid, _ in idents)
    found = [row for row in rows if row is not None and row.ident in idents]
    descendants = Descendants(
        root,
        spared=_from_word(spared),
        known=found,
        began=float(began) if began else None,
        takes_daemons=bool(takes),
    )
    descendants.led = dict(_from_word(led))
    return descendants


def _to_word(idents: Iterable[Ident]) -> str:
    return " ".join(f"{pid}:{start!r}" for pid, start in idents)


def _from_word(word: str) -> list[Ident]:
    pairs = (ident.split(":") for ident in word.split())
    return [(int(pid), float(start)) for pid, start in pairs]


# -- in what it becomes -----------------------------------------------------------------------


def main() -> NoReturn:
    """Kill those that are left, and end."""
    status, helpers, *words = sys.argv[2:]
    try:
        descendants = descendants_from_args(os.getpid(), words)
        spared = set(_from_word(helpers))
        found = kill_tree.stop_all(descendants, lambda row: row.ident in spared)
        kill_tree.kill(found)
        kill_tree.wait(found)
    finally:
        _exit(int(status))


def _exit(status: int) -> NoReturn:
    if status < 0 and sys.platform != "win32":
        signal.signal(-status, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-status})
        os.kill(os.getpid(), -status)
        os._exit(128 - status)
    os._exit(status)

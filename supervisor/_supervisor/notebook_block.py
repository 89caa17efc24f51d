"""A block in a notebook, or at a prompt: what is different where a program comes in cells.

An interrupt is for what runs now. A block that was opened in one cell and is used in others has no
body any more to which a stop could return. So there SIGINT ends the runs only, as in an interactive
program: a stop would leave a block that is open, and refuses each run. Where no run is at work, the
interrupt is for the cell, and goes to the handler that was found (`_signals/prompt.py`). The input
at a prompt is a cell like any other.

A Jupyter kernel has handlers of its own for SIGINT, and takes ours away with each cell
(`_signals/kernel_sigint.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from supervisor._signals.interpreters import is_in_kernel, is_interactive
from supervisor._signals.kernel_sigint import kernel_sigint

if TYPE_CHECKING:
    from supervisor._supervisor.scope import StopScope

_LOOK_SECONDS: Final = 0.25


class NotebookBlock:
    """One block, as it lives in a notebook or at a prompt; elsewhere it does nothing.

    Args:
        scope: What the block stops.
    """

    def __init__(self, scope: StopScope) -> None:
        self._scope = scope
        self.on_kept_open: Callable[[], None] = lambda: None
        """Called when the cell that has opened the block is over, and the block is not."""
        self.is_interactive = False
        """Whether the block is open in an interactive interpreter."""

    def begin(self) -> None:
        """Have SIGINT handled: the block is entered, or a run begins."""
        self.is_interactive = is_interactive()
        if is_in_kernel():
            self.note_kept_open()
            kernel_sigint.begin(self)

    def look(self) -> None:
        """See whether SIGINT is still to be handled: it is a while later, or a run has ended."""
        if not is_in_kernel():
            return
        self.note_kept_open()
        if self._is_kept_open and not self._scope.is_working:
            kernel_sigint.end(self)
        else:
            kernel_sigint.look()

    def leave(self) -> None:
        """Leave SIGINT to the kernel: the block is left."""
        self.is_interactive = False
        if is_in_kernel():
            kernel_sigint.end(self)
            self._scope.home.call_soon(self._tidy)  # once the handlers of the block are put back

    def _tidy(self) -> None:
        if not kernel_sigint.tidy():
            asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._tidy)

    @property
    def is_for_cell(self) -> bool:
        """Whether SIGINT is for the cell alone; from any thread."""
        return self._is_kept_open and not _has_runs(self._scope)

    @property
    def _is_kept_open(self) -> bool:
        body = self._scope.body
        is_open = self.is_interactive and not self._scope.phase.is_leaving
        return is_open and body is not None and body.has_ended

    def note_kept_open(self) -> None:
        """Tell of it, if the block is kept open over cells; from any thread."""
        if self._is_kept_open:
            self.on_kept_open()


def _has_runs(scope: StopScope) -> bool:
    """Return whether a run is at work, there or in a supervisor inside; in any thread."""
    if scope.nesting.guests.are_busy or any(not run.is_over for run in list(scope.runs)):
        return True
    return any(map(_has_runs, list(scope.nesting.children)))

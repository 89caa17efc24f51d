"""A block in a notebook: what is different where the code of a program comes in cells.

An interrupt is for what runs now. The kernel has handlers of its own for it, and takes ours away
with each cell (`_signals/kernel_sigint.py`). A block that was opened in one cell and is used in
others has no body any more to which a stop could return. So there SIGINT ends the runs only, as in
an interactive program: a stop would leave a block that is open, and refuses each run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from supervisor._signals.interpreters import is_in_kernel
from supervisor._signals.kernel_sigint import kernel_sigint

if TYPE_CHECKING:
    from supervisor._supervisor.scope import StopScope

_LOOK_SECONDS: Final = 0.25


class NotebookBlock:
    """One block, as it lives in a notebook; elsewhere it does nothing.

    Args:
        scope: What the block stops.
    """

    def __init__(self, scope: StopScope) -> None:
        self._scope = scope
        self.on_kept_open: Callable[[], None] = lambda: None
        """Called when the cell that has opened the block is over, and the block is not."""

    def begin(self) -> None:
        """Have SIGINT handled: the block is entered, or a run begins."""
        if is_in_kernel():
            self._note_kept_open()
            kernel_sigint.begin(self)

    def look(self) -> None:
        """See whether SIGINT is still to be handled: it is a while later, or a run has ended."""
        if not is_in_kernel():
            return
        self._note_kept_open()
        if self._is_kept_open and not self._scope.is_working:
            kernel_sigint.end(self)
        else:
            kernel_sigint.look()

    def leave(self) -> None:
        """Leave SIGINT to the kernel: the block is left."""
        if is_in_kernel():
            kernel_sigint.end(self)
            self._scope.home.call_soon(self._tidy)  # once the handlers of the block are put back

    def _tidy(self) -> None:
        if not kernel_sigint.tidy():
            asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._tidy)

    @property
    def _is_kept_open(self) -> bool:
        body = self._scope.body
        return body is not None and body.has_ended

    def _note_kept_open(self) -> None:
        if self._is_kept_open:
            self.on_kept_open()

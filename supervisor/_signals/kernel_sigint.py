"""SIGINT in a Jupyter kernel, whose own handlers of it come and go with each request.

ipykernel ignores SIGINT while it is idle. For each request it sets Python's default handler, and
for a cell that awaits one that cancels the cell; behind each it puts back what it had found there.
So "ignored" is nothing that the process was started with. And a handler that was installed in one
cell is gone in the next: ours is put on top of the kernel's again as soon as a block has something
that SIGINT would end, and the kernel's is put back when it has nothing left.

At idle ours stands on top of "ignored", so that an interrupt ends a run in the background. Then the
next request finds it, and puts it back at its end, even if we have left meanwhile: `tidy` says
whether there is still a request under way that might. Not chosen: to hook into the kernel, which
has events for cells, and none behind its handlers.
"""

from __future__ import annotations

import signal
from typing import Any, Final

from supervisor._signals import interpreters
from supervisor._signals.handlers import SignalHandlers, is_main_thread
from supervisor._signals.registry import registry

_BY_PYTHON: Final = (signal.SIG_IGN, signal.SIG_DFL, signal.default_int_handler)


class KernelSigint:
    """Keeps our handler of SIGINT where a kernel sets its own; in its main thread."""

    def __init__(self) -> None:
        self._users: set[object] = set()
        self._may_come_back = False  # a request may have found ours, to put it back later

    def begin(self, user: object) -> None:
        """Handle SIGINT in place of the kernel: something begins that it would end."""
        if (handlers := _handlers()) is None:
            return
        self._users.add(user)
        handlers.shared.add(signal.SIGINT)
        if _is_kernels(signal.getsignal(signal.SIGINT)):
            handlers.install(signal.SIGINT)
        self._note_idle(handlers)

    def end(self, user: object) -> None:
        """Leave SIGINT to the kernel: the user has nothing left that it would end."""
        self._users.discard(user)
        self.look()

    def look(self) -> None:
        """Handle SIGINT again where the kernel has become idle; or leave it to the kernel."""
        if (handlers := _handlers()) is None:
            return
        if not self._users:
            handlers.put_back(signal.SIGINT)
        elif signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
            handlers.install(signal.SIGINT)
            self._note_idle(handlers)

    def tidy(self) -> bool:
        """Put back what a request may have put in place since we have left: ours.

        Returns:
            False while one is under way that still might.
        """
        if not self._may_come_back or not is_main_thread() or _handlers() is not None:
            return True
        handlers, standing = _ours(), signal.getsignal(signal.SIGINT)
        if handlers is not None and handlers.is_ours(standing):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        elif standing != signal.SIG_IGN:
            return False
        self._may_come_back = False
        return True

    def _note_idle(self, handlers: SignalHandlers) -> None:
        if handlers.found[signal.SIGINT] == signal.SIG_IGN:
            self._may_come_back = True


def _ours() -> SignalHandlers | None:
    wakeup_fd = registry.wakeup_fd
    return None if wakeup_fd is None else wakeup_fd.handlers


def _handlers() -> SignalHandlers | None:
    """Return those of the supervisors, if SIGINT is theirs to handle here."""
    handlers = _ours()
    is_theirs = handlers is not None and signal.SIGINT in handlers.found
    return handlers if is_theirs and is_main_thread() and interpreters.is_in_kernel() else None


def _is_kernels(handler: Any) -> bool:
    module = getattr(handler, "__module__", None) or ""
    return handler in _BY_PYTHON or module.partition(".")[0] == "ipykernel"


kernel_sigint: Final = KernelSigint()

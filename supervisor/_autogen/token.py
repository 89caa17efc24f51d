"""A cancellation token that can be cancelled from anywhere, and forgets finished futures.

AutoGen's own holds a lock while it runs its callbacks: a second signal meanwhile waits for it for
ever. It stops at the first callback that raises: `McpWorkbench` links a coroutine, which has no
`cancel()`. It keeps two callbacks for each streamed chunk until it dies. And it wakes no loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from asyncio import Future
from collections.abc import Callable
from typing import Any, cast

from autogen_core import CancellationToken

from supervisor._reports import log_events
from supervisor._reports.log import reporter


class SupervisedToken(CancellationToken):
    """AutoGen's `CancellationToken`, safe from any thread and re-entrant.

    Linked futures are cancelled in the thread of their loop: at once if `cancel()` is called there,
    otherwise in the loop's next step. Callbacks run there, too, each separately. Finished futures
    are forgotten whenever the list has doubled, so memory does not grow, and `cancel()` costs only
    as much as there are live futures.

    Args:
        loop: The loop to which futures and callbacks belong; None until it is known.
        on_cancel: Called first, once, with no lock held.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop | None = None,
        on_cancel: Callable[[], None] | None = None,
    ) -> None:
        super().__init__()
        self._loop = loop
        self._thread = threading.get_ident() if loop is not None else None
        self.on_cancel = on_cancel
        """Called first, once, with no lock held."""
        self._is_cancelled = False
        self._linked: list[Future[Any]] = []
        self._calls: list[Callable[[], None]] = []
        self._limit = 64
        self.reason: str | None = None
        """Why it was cancelled, once it is."""
        self.cause: str = "code"
        """The same in one word."""
        self.on_failure: Callable[[BaseException], None] | None = None
        """Lets the run of this token fail; None if the token belongs to no run."""

    def bind(self, loop: asyncio.AbstractEventLoop, thread: int | None = None) -> None:
        """Name the loop, and the thread that it runs in; None is this one."""
        self._thread = thread if thread is not None else threading.get_ident()
        self._loop = loop

    def cancel(self, reason: str | None = None, cause: str = "code") -> None:
        """Cancel what is linked, and call the callbacks, once.

        Args:
            reason: Why, for `reason`.
            cause: The same in one word, for `cause`.
        """
        if self._is_cancelled:
            return
        self.reason, self.cause = reason, cause
        self._is_cancelled = True
        if self.on_cancel is not None:
            self.on_cancel()
        if self._is_at_home():
            self._fire()
        # Also from the loop's own thread: a signal handler runs there, and the loop may sleep.
        self._fire_in_loop()

    def is_cancelled(self) -> bool:
        """Return whether `cancel()` was called."""
        return self._is_cancelled

    def fail(self, error: BaseException) -> bool:
        """Let the run fail with an error, past the agent that has met it; in its loop.

        An agent of AutoGen's would make other errors of it, and its runtime log each of them.

        Returns:
            Whether there is a run; it is cancelled soon, and this token with it.
        """
        if self.on_failure is None or self._loop is None:
            return False
        self._loop.call_soon(self.on_failure, error)
        return True

    def add_callback(self, callback: Callable[[], None]) -> None:
        """Call a function when the token is cancelled; at once if it is already."""
        self._calls.append(callback)
        if self._is_cancelled:
            self._catch_up()

    def link_future(self, future: Future[Any]) -> Future[Any]:
        """Cancel a future with the token; at once if it is cancelled already."""
        linked = self._linked
        linked.append(future)
        if self._is_cancelled:
            self._catch_up()
        elif len(linked) > self._limit:
            self._forget_done()
        return future

    def _forget_done(self) -> None:
        alive = [future for future in self._linked if not _is_done(future)]
        if self._is_cancelled:  # meanwhile, by a signal handler: what it removed must stay removed
            return
        # In place: a cancel() that interrupts this holds the same list.
        self._linked[:] = alive
        self._limit = max(64, 2 * len(self._linked))

    def _is_at_home(self) -> bool:
        return self._loop is None or self._thread == threading.get_ident()

    def _catch_up(self) -> None:
        if self._is_at_home():
            self._fire()
        else:
            self._fire_in_loop()

    def _fire_in_loop(self) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # closed: nothing there waits any more
                self._loop.call_soon_threadsafe(self._fire)

    def _fire(self) -> None:
        # Each entry is removed before it is called: a second call, whenever it comes, goes on
        # where this one is, and no entry is called twice.
        for entries in (self._linked, self._calls):
            while entries:
                try:
                    entry: Any = entries.pop()
                except IndexError:  # pragma: no cover - taken by the call that interrupted this one
                    break
                _call(entry)


def _is_done(future: Future[Any]) -> bool:
    done = getattr(future, "done", None)
    return done is None or done()  # no future (a coroutine of McpWorkbench) is not kept


def _call(entry: Any) -> None:
    # A future, a callback, or what is neither: McpWorkbench 0.7.5 links a coroutine.
    call = getattr(entry, "cancel", entry)
    if not callable(call):
        return
    try:
        cast(Callable[[], object], call)()
    except Exception as error:  # noqa: BLE001 - one callback's failure must not keep the others
        reporter.event(log_events.TOKEN_CALLBACK_FAILED, exc_info=error)

"""The runs of one request: its client's leaving stops them, and its response waits for them.

A run belongs to the request in whose context it has started, until the response is complete. What
still runs then (a job for which a handler has answered 202) belongs to no request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from supervisor._core.events import StopRequest
from supervisor._core.stoppable import Stoppable
from supervisor.integrations._streams.events import CLIENT_LEFT

if TYPE_CHECKING:
    from supervisor.integrations._asgi.block import HostedBlock


class RequestRuns:
    """The runs of one request; their `RunWatcher`.

    Args:
        block: The block in which they run.
        read_ahead: Called with each of them: from the first on a disconnect has to be noticed.
            None where runs go on without their client.
    """

    def __init__(self, block: HostedBlock, read_ahead: Callable[[], None] | None) -> None:
        self._block = block
        self._read_ahead = read_ahead
        self._runs: list[Stoppable] = []
        self._refusal: StopRequest | None = None
        self.are_any = False
        """Whether a run was started, or was refused."""
        self.on_over: Callable[[], None] | None = None
        """Called when one of them is done."""
        self._has_left = False
        self._is_let_go = False

    # -- as their supervisor sees it ------------------------------------------------------------

    def on_run(self, run: Stoppable) -> None:
        """Take in a run that starts, perhaps on the loop of another thread."""
        if asyncio.get_running_loop() is self._block.loop:
            self._take_in(run)
        else:
            self._block.loop.call_soon_threadsafe(self._take_in, run)

    def on_run_over(self) -> None:
        """Look again at what the server's stop waits for."""
        if self.on_over is not None and not self._is_let_go:
            self._block.loop.call_soon_threadsafe(self.on_over)

    def on_refused(self, request: StopRequest) -> None:
        """Note that a run was refused."""
        self._refusal = request
        self.are_any = True

    def _take_in(self, run: Stoppable) -> None:
        if self._is_let_go:
            return
        self.are_any = True
        self._block.sending.add(self)
        self._runs = [other for other in self._runs if not other.is_over]
        self._runs.append(run)
        if self._read_ahead is None:
            return
        if self._has_left:
            self._block.loop.call_soon(run.stop, *CLIENT_LEFT)
        self._read_ahead()

    # -- as their connection sees it --------------------------------------------------------------

    @property
    def refusal(self) -> StopRequest | None:
        """The stop for which one was not started, or has refused to end and was given up."""
        if self._refusal is None and any(run.is_given_up for run in self._runs):
            return self._block.scope.stop.request
        return self._refusal

    @property
    def are_over(self) -> bool:
        """Whether none of them is at work any more."""
        return all(run.is_over for run in self._runs)

    def leave(self) -> None:
        """Stop them, for the client has left before the response was complete."""
        if self._read_ahead is None or self._block.is_cut_by_server:
            return
        self._has_left = True
        for run in self._runs:
            run.stop(*CLIENT_LEFT)

    def drain(self) -> None:
        """End them with their present turn, for nobody will read what follows."""
        if self._read_ahead is None or self._block.is_stopping:
            return
        for run in self._runs:
            run.drain_alone(*CLIENT_LEFT)

    def let_go(self) -> None:
        """Have the further ones belong to no request: the response is complete."""
        self._is_let_go = True
        if self._runs:
            self._runs.clear()

    def complete(self) -> None:
        """Let go of them: the last byte of the response is sent, or nobody will send it."""
        self.let_go()
        self.on_over = None
        self.rest()

    def rest(self) -> None:
        """Let the server close the connection: nothing is to be sent for a run."""
        if self.are_any:
            self._block.note_sent(self)

"""The block of a server: opened as it starts, left as it shuts down.

The block belongs to no task of the server: the one that enters it ends at once, so a stop has no
body to cancel, and one of ours waits to leave it. A server that ends without a word (no lifespan)
ends its loop, and `asyncio.run` cancels that task: the block is left then.
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Final

from supervisor._core.events import Rung
from supervisor._supervisor import nesting
from supervisor._supervisor.facade import Supervisor, parts_of
from supervisor._supervisor.host_signals import SHUTS_DOWN, HostSignals

if TYPE_CHECKING:
    from supervisor.integrations._asgi.request_runs import RequestRuns

_FAILED: Final = "a task that was spawned in a server has failed, and nobody has looked at it"
_LOOK_SECONDS: Final = 0.1  # for a busy server; each look takes some microseconds
_DRAINED_SECONDS: Final = 0.02  # between two looks; that of a run's end is not told to anybody
_ANSWERED_SECONDS: Final = 0.5  # for the answers of requests whose run was given up


class HostedBlock:
    """The open block of one server, in one loop.

    Args:
        sup: Its supervisor, new.
    """

    def __init__(self, sup: Supervisor) -> None:
        self.sup = sup
        self.scope = parts_of(sup).scope
        self.loop = asyncio.get_running_loop()
        self.sending: set[RequestRuns] = set()
        """The requests with a run whose response is not complete."""
        self.signals = HostSignals(sup, is_sending=lambda: bool(self.sending))
        self._look_at = 0.0
        self.is_open = False
        self.is_over = False
        self._has_opened = asyncio.Event()
        self._is_closing = asyncio.Event()
        self._error: Exception | None = None
        self._keeper = self._start_keeper()

    def _start_keeper(self) -> asyncio.Task[None]:
        # Not in a request's context, which would live as long as the block.
        context, around = contextvars.Context(), nesting.innermost()
        if around is not None:
            context.run(nesting.use, around)
        keeper = self._keep(context)
        return self.loop.create_task(
            keeper, name="keeps the supervisor of a server", context=context
        )

    async def _keep(self, context: contextvars.Context) -> None:
        try:
            await self.loop.create_task(self._enter(), context=context)
        except Exception as error:  # noqa: BLE001 - of a setting, or of a loop that cannot be: for who waits
            self._error, self.is_over = error, True
            return
        finally:
            self._has_opened.set()
        self.is_open = True
        try:
            await self._is_closing.wait()
        finally:
            await self._leave()

    async def _enter(self) -> None:
        await self.sup.__aenter__()
        self.signals.open()

    async def _leave(self) -> None:
        self.stop()
        try:
            await self.sup.__aexit__(None, None, None)
        except Exception as error:  # noqa: BLE001 - of spawned tasks: the server still has to end
            self.loop.call_exception_handler({"message": _FAILED, "exception": error})
        finally:
            self.is_open, self.is_over = False, True
            self.signals.close()

    async def wait_open(self) -> None:
        """Wait until it is open.

        Raises:
            SupervisorError: It could not be opened.
        """
        await self._has_opened.wait()
        if self._error is not None:
            raise self._error

    async def close(self) -> None:
        """Stop what is at work in it, and leave it; as often as you like."""
        self._is_closing.set()
        if not self._keeper.done():  # a server may cancel us as soon as the lifespan is complete
            await asyncio.wait([self._keeper])

    def look(self) -> None:
        """Make sure that signals still come to us first; at each request, a few times a second."""
        now = self.loop.time()
        if now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            self.signals.look()

    def stop(self) -> None:
        """Request a stop, for the server shuts down, unless there is one."""
        if not self.is_stopping:
            self.sup.stop(SHUTS_DOWN, Rung.DRAIN)

    async def drain(self) -> None:
        """Stop what is at work, and wait until its last bytes are sent, or the ladder has ended."""
        self.stop()
        while self.signals.is_at_work and not self.scope.stop.is_spent:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(_DRAINED_SECONDS)
        until = self.loop.time() + _ANSWERED_SECONDS
        while self.sending and self.loop.time() < until:  # noqa: ASYNC110 - the same
            await asyncio.sleep(_DRAINED_SECONDS)

    def note_sent(self, request: RequestRuns) -> None:
        """Forget a request whose response is complete."""
        if request in self.sending:
            self.sending.discard(request)
            self.signals.note_sent()

    @property
    def is_stopping(self) -> bool:
        """Whether a stop was requested."""
        return self.scope.stop.request is not None

    @property
    def is_cut_by_server(self) -> bool:
        """Whether a disconnect may be the server's own: it knows that it has to shut down."""
        return self.is_stopping and not self.signals.is_held

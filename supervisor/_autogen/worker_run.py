"""Serving: a runtime that handles the messages of others until it is told to stop.

To its supervisor it is one of the runs, and climbs the same ladder. DRAIN takes no further message
and lets those being handled finish; CANCEL cancels their handlers, with all that they have started,
nested teams included; then the runtime is stopped. At ABANDON it is stopped all the same, whatever
is still at work.

AutoGen's `stop_when_signal` was not built upon: it takes the loop's signal handlers and never puts
them back, hears one signal only, and waits without limit for what is at work.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from supervisor._autogen import repair, shared_runtimes
from supervisor._autogen.run_context import RunContext
from supervisor._autogen.teardown import Teardown
from supervisor._autogen.upstream.workers import EVENT_ERROR, Servable, served
from supervisor._core.events import Rung, StopRequest
from supervisor._core.shield import shielded
from supervisor._core.stoppable import Owner, OwnStop
from supervisor._core.tasks import SCOPE, AnyTask, Kind
from supervisor._reports.findings import TaskInfo
from supervisor._reports.log import reporter

_logger = logging.getLogger("autogen_core")


class Phase(enum.Enum):
    """What a serving is doing."""

    SERVING = "serving"
    DRAINING = "finishing what is at work"
    STOPPING = "stopping"
    DONE = "done"


class Serving:
    """One runtime, served under a supervisor.

    Args:
        host: The supervisor.
        runtime: The runtime.

    Raises:
        TypeError: The runtime is none that can be served.
    """

    def __init__(self, host: Owner, runtime: Servable) -> None:
        self._served = served(runtime, shared_runtimes.is_of_a_run)
        self.name = type(runtime).__name__
        self._host = host
        self._phase = Phase.SERVING
        self._request: StopRequest | None = None
        self._loop = asyncio.get_running_loop()
        self._stage = RunContext(None, lambda: None, lambda _: None)
        self._scope = self._stage.scope
        self._handlers: dict[AnyTask, str] = {}
        self._settling: Teardown | None = None
        self._is_settled = False
        self._stopper: AnyTask | None = None
        self._is_given_up = False
        self._refused: Counter[str] = Counter()
        self._own_stop: OwnStop | None = None
        self._over = asyncio.Event()
        self._readers: set[AnyTask] = set()

    def __repr__(self) -> str:
        why = f": {self._request.reason}" if self._request else ""
        return f"<Serving of a {self.name} {self._phase.value}{why}>"

    # -- as its supervisor sees it: see `Run` ---------------------------------------------------

    @property
    def readers(self) -> list[AnyTask]:
        """The tasks that wait for it."""
        return list(self._readers)

    def is_read_by_others(self, task: AnyTask | None) -> bool:
        """Whether a living task other than this one waits for it."""
        return any(not reader.done() for reader in self._readers if reader is not task)

    @property
    def unread(self) -> int:
        """Nothing of it is read."""
        return 0

    @property
    def is_inside(self) -> bool:
        """Whether it is one of its handlers that asks."""
        return SCOPE.get() is self._scope

    @property
    def quarantined(self) -> None:
        """A runtime is never in quarantine."""
        return

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to wait for any more."""
        return self._phase is Phase.DONE or self._is_given_up

    def active_agents(self) -> list[str]:
        """For whom the messages are that are being handled."""
        return list(dict.fromkeys(self._handlers.values()))

    def tasks_at_work(self, asked: float | None) -> list[TaskInfo]:
        """The handlers that are at work, for a report."""
        return [
            TaskInfo(task=task, agent=what, team=self.name, asked=asked)
            for task, what in list(self._handlers.items())
        ]

    def drain(self, request: StopRequest) -> None:
        """Take no further message, and let those being handled finish."""
        if self._phase is Phase.SERVING:
            self._request = request
            self._phase = Phase.DRAINING
            self._look()

    def cancel(self, request: StopRequest) -> None:
        """Cancel the handlers that are at work."""
        if self._phase in (Phase.SERVING, Phase.DRAINING):
            self._request = self._request or request
            self._settle()

    def cancel_again(self) -> None:
        """Cancel once more what was cancelled and still runs."""
        if self._settling is not None and not self._is_settled:
            self._settling.strike()

    def abandon(self, request: StopRequest) -> None:
        """Cancel what still runs again and again, and stop the runtime all the same."""
        earlier = self._stopper
        self.cancel(request)
        if self._settling is not None and not self._is_settled:
            self._settling.abandon()
        if self._stopper is None:
            self._stop_runtime()
        elif earlier is not None:
            earlier.cancel()  # it disconnects without sending the rest

    def give_up(self, seconds: float) -> None:
        """Leave what refuses to end to itself.

        Args:
            seconds: How long it has been asked to.
        """
        if self._settling is None or self.is_over:
            return
        self._is_given_up = True
        left = self.active_agents() or [task.get_name() for task in self._settling.left()]
        self._settling.give_up()
        if self._stopper is not None:
            self._stopper.cancel()
        event = "handlers refused to end"
        reporter.event(event, level=logging.ERROR, left=left, seconds=seconds)
        self._over.set()
        self._host.wake()

    def stop(self, reason: str) -> None:
        """Stop this one, and no other, with a ladder of its own."""
        if self._phase not in (Phase.SERVING, Phase.DRAINING):
            return
        self._own_stop = OwnStop(self, self._host, self._loop)
        self._own_stop.begin(StopRequest(reason=reason, rung=Rung.CANCEL))

    # -- at work --------------------------------------------------------------------------------

    async def until_over(self) -> StopRequest:
        """Serve until a stop is requested and nothing is at work any more.

        Returns:
            The request.
        """
        try:
            await self._served.start()
            self._host.attach(self)
            self._begin()
        except BaseException:
            self._phase = Phase.DONE
            self._host.detach(self)
            await self._stop_unserved()
            raise
        try:
            await self._over.wait()
        except asyncio.CancelledError:
            self.stop("Cancelled by the caller")
            await self._until_done()
            raise
        assert self._request is not None
        return self._request

    async def _stop_unserved(self) -> None:
        """Stop a runtime that came too late, or did not come up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._host.ladder.cancel):
                await self._served.stop()

    async def _until_done(self) -> None:
        with shielded():
            while not self.is_over:
                with contextlib.suppress(asyncio.CancelledError):  # the ladder bounds the waiting
                    await self._over.wait()

    def _begin(self) -> None:
        reader = asyncio.current_task()
        assert reader is not None
        self._readers.add(reader)
        for task in self._served.watch(self):
            self._note(task, "a message that came before")
        self._stage.open(None, self._loop)
        _logger.addFilter(self._is_to_be_logged)

    @property
    def is_closed(self) -> bool:
        """Whether no further message is to be taken."""
        return self._phase is not Phase.SERVING

    @property
    def is_at_work(self) -> bool:
        """Whether a message is being handled."""
        return bool(self._handlers)

    def refuse(self, what: str) -> None:
        """A message was turned away."""
        self._refused[what] += 1

    async def handle(self, what: str, handling: Coroutine[Any, Any, None]) -> None:
        """Handle a message, in the scope of this serving."""
        task = asyncio.current_task()
        assert task is not None
        SCOPE.set(self._scope)  # the task's own context: a runtime makes one for each message
        self._note(task, what)
        if self._settling is not None:
            self._settling.cancel(task)
        try:
            await handling
        except asyncio.CancelledError:
            if self._settling is None:
                raise

    def _is_to_be_logged(self, record: logging.LogRecord) -> bool:
        # As `hush` does for the other runtime: a handler that we cancelled is no error.
        is_ours = SCOPE.get() is self._scope and self._scope.is_hushed
        return not (is_ours and str(record.msg).startswith(EVENT_ERROR))

    def _note(self, task: AnyTask, what: str) -> None:
        self._handlers[task] = what
        self._scope.note(task, Kind.DRIVER, None)
        task.add_done_callback(self._handled)

    def _handled(self, task: AnyTask) -> None:
        self._handlers.pop(task, None)
        self._look()

    # -- the end --------------------------------------------------------------------------------

    def _look(self) -> None:
        if self._phase is Phase.DRAINING and not self._handlers:
            self._settle()

    def _settle(self) -> None:
        self._phase = Phase.STOPPING
        self._settling = Teardown(self._stage, self._settled)
        self._stage.refuse = self._settling.cancel
        reason = self._request.reason if self._request is not None else None
        for task in self._handlers:
            task.cancel(reason)  # the text of the error that the senders get
        self._settling.strike()

    def _settled(self) -> None:
        self._is_settled = True
        repair.conclude_handlers(self._stage)
        if self._stopper is None:
            self._stop_runtime()
        self._conclude()

    def _stop_runtime(self) -> None:
        stopper = self._stopper = self._loop.create_task(
            self._served.stop(), name="stop the runtime"
        )
        stopper.add_done_callback(self._stopped)

    def _stopped(self, stopper: AnyTask) -> None:
        if not stopper.cancelled() and stopper.exception() is not None:
            event = "runtime not stopped in order"
            reporter.event(event, level=logging.WARNING, exc_info=stopper.exception())
        self._conclude()

    def _conclude(self) -> None:
        """End, once the handlers have and the runtime has."""
        if not self._is_settled or self._stopper is None or not self._stopper.done():
            return
        self._phase = Phase.DONE
        self._served.release()
        if self._refused:
            count = self._refused.total()
            event = "messages not taken: stopping"
            reporter.event(event, level=logging.WARNING, count=count, to=list(self._refused))
        if self._own_stop is not None:
            self._own_stop.end()
        self._stage.close(self._loop)
        _logger.removeFilter(self._is_to_be_logged)
        self._over.set()
        self._host.detach(self)

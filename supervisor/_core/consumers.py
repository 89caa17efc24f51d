"""The consumers of a run: how it is awaited and iterated, and what happens when they leave."""

from __future__ import annotations

import asyncio
import enum
from typing import Final, Generic, TypeVar, cast

from supervisor._core.adapter import Adapter
from supervisor._core.errors import UsageError
from supervisor._core.execution import Execution
from supervisor._core.readers import Reading
from supervisor._core.run_state import Phase
from supervisor._core.shield import shielded
from supervisor._core.stoppable import Owner

E = TypeVar("E")
R = TypeVar("R")


class Nothing(enum.Enum):
    """Stands for no event; None may be one."""

    NOTHING = enum.auto()


NOTHING: Final = Nothing.NOTHING


class Consumers(Generic[E, R]):
    """The consumers of one run.

    Args:
        owner: The supervisor.
        adapter: What is run.
        execution: The run.
    """

    def __init__(self, owner: Owner, adapter: Adapter[E, R], execution: Execution[E, R]) -> None:
        self.yields_result = adapter.yields_result
        self._owner = owner
        self._adapter = adapter
        self._execution = execution
        self._state = execution.state
        self._channel = execution.channel
        self._readers = execution.readers
        self._stoppable = execution.stoppable

    async def wait(self) -> R:
        """Wait for the result; start the run where nobody has.

        Raises:
            UsageError: Another task iterates it, and its result would lack what that loop reads.
        """
        __tracebackhide__ = True  # for IPython, which then shows the user's line
        self.refuse_own("awaited")
        is_iterated = self._channel.is_iterated and not self._adapter.keeps_read
        if is_iterated and not self._state.is_over and self._readers.is_awaited_by_others():
            what = f"{self._stoppable!r} is iterated by another task"
            raise UsageError(f"{what}; await it once that loop has ended")
        self._execution.begin()
        with self._readers.reading():
            while not self._state.is_over:
                self._channel.deliver_all()  # also what is left by a loop over its first events
                try:
                    await self._execution.wait()
                except asyncio.CancelledError as error:
                    await self._cancelled(error)
                    raise
            self._channel.deliver_all()
            return self.outcome()

    def iterate(self) -> None:
        """Have the events wait for a loop.

        Raises:
            UsageError: The run is being awaited, or was iterated before.
        """
        is_done = self._state.phase is Phase.DONE
        if self._channel.is_iterated or (self._readers.tasks and not is_done):
            what = f"{self._stoppable!r} has a reader already"
            raise UsageError(f"{what}; a run can be iterated once")
        self._channel.is_iterated = not is_done

    def ready_event(self) -> E | Nothing:
        """Return the next event, if one is there."""
        if self._channel.is_empty or self._state.is_stop_called or self._owner.yields_no_more:
            return NOTHING
        return self._channel.pop()

    async def next_event(self, reading: Reading) -> E | Nothing:
        """Return the next event; NOTHING once there will be none, and the result is what comes."""
        self.refuse_own("iterated")
        while (event := self.ready_event()) is NOTHING:
            self._execution.begin()
            if self._state.is_over:
                self.leave(reading)
                return NOTHING
            self._readers.read(reading)
            self._channel.make_room()
            try:
                await self._execution.wait()
            except asyncio.CancelledError as error:
                await self._cancelled(error)
                raise
        return event

    def leave(self, reading: Reading) -> None:
        """Forget a reader that has come to its end: nobody has to wait for it."""
        self._readers.leave(reading)

    def abandon(self, reading: Reading) -> None:
        """Stop the run, for nobody will read its further events; in any thread."""
        loop = self._state.loop
        if loop is None or loop.is_closed():
            return
        loop.call_soon_threadsafe(self.leave, reading)
        if self._state.phase is not Phase.DONE:
            self._stoppable.stop("Its reader went away", "reader")

    async def close(self) -> None:
        """Stop the run, and wait until it is settled.

        Raises:
            Quarantined: It could not be ended.
        """
        self.refuse_own("closed")
        self._stoppable.stop_now("Closed by its reader", "reader")
        if self._state.phase is Phase.CREATED:
            return
        await self._until_done()
        if self._state.is_given_up and self._state.error is not None:
            raise self._state.error

    def outcome(self) -> R:
        """Return the result, or raise the error that the run ended with; only once it is over."""
        __tracebackhide__ = True
        state = self._state
        if state.error is not None:
            raise state.error
        if state.was_cancelled and state.natural is None:
            raise asyncio.CancelledError(state.reason)
        return self._adapter.so_far() if state.is_given_up else cast(R, state.result)

    def refuse_own(self, what: str) -> None:
        """Raise where one of the run's own tasks would wait for the run's end.

        Raises:
            UsageError: It would.
        """
        if self._stoppable.is_inside and not self._state.is_over:
            raise UsageError(
                f"{self._stoppable!r} is {what} by one of its own agents or tools, for whose end "
                "it waits; call run.stop() there, and return"
            )

    async def _cancelled(self, error: asyncio.CancelledError) -> None:
        """Stop the run, for its reader was cancelled; that is raised once it is settled.

        Raises:
            Quarantined: It could not be ended, and the stop of its supervisor has cancelled the
                body, which waits for it here. The block would swallow the cancellation.
        """
        __tracebackhide__ = True
        self._execution.cancel_by_caller()
        await self._until_done()
        body, refusal = self._owner.body, self._state.error
        if not self._state.is_given_up or refusal is None or body is None:
            return
        if body.is_current() and body.is_from_stop(error, self._owner.stop_request):
            raise refusal from None  # not from a cancellation, which was ours

    async def _until_done(self) -> None:
        """Wait until the run is over, whatever cancels the waiting: its own ladder bounds it."""
        cancelled: asyncio.CancelledError | None = None
        with shielded():
            while not self._state.is_over:
                try:
                    await self._execution.wait()
                except asyncio.CancelledError as error:
                    cancelled = error
        if cancelled is not None:
            raise cancelled

"""A run, as its user sees it: written once, over an adapter."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Coroutine, Generator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, cast

from supervisor._core.adapter import Adapter
from supervisor._core.consumers import NOTHING, Consumers
from supervisor._core.events import Rung, StopRequest
from supervisor._core.execution import Execution
from supervisor._core.readers import Reading
from supervisor._core.run_state import Phase
from supervisor._core.stoppable import Owner

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # type checkers bring it along

    E = TypeVar("E", default=Any)
    R = TypeVar("R", default=Any)
else:
    from typing import TypeVar

    E = TypeVar("E")
    R = TypeVar("R")


class Run(Coroutine[Any, Any, R], Generic[E, R]):
    """A run, as `Supervisor.stream` and `Supervisor.iterate` return it.

    It is a coroutine object: `await run`, `asyncio.create_task(run)`, `asyncio.gather(run, other)`.
    And it can be iterated, like the result of `run_stream`: `async for event in run`; for a team
    the last item is the `TaskResult`. It starts at the first of these. Awaiting it once more gives
    the same result.

    A loop that is left early (by `break`, by an exception) stops the run.
    """

    def __init__(
        self, owner: Owner, adapter: Adapter[E, R], *, timeout: float | None = None
    ) -> None:
        self._owner = owner
        self._adapter = adapter
        self._execution = Execution(owner, adapter, timeout)
        self._state = self._execution.state
        self._stoppable = self._execution.stoppable
        self._consumers = Consumers(owner, adapter, self._execution)
        self._coro: Coroutine[Any, Any, R] | None = None

    def __repr__(self) -> str:
        return repr(self._stoppable)

    def __del__(self) -> None:
        state = self._state
        if state.phase is Phase.CREATED and self._coro is None and state.request is None:
            message = f"{self!r} was never awaited"
            warnings.warn(message, RuntimeWarning, stacklevel=1, source=self)

    @property
    def name(self) -> str:
        """The name of the team, the agent or the source."""
        return self._adapter.name

    @property
    def phase(self) -> Phase:
        """What the run is doing."""
        return self._state.phase

    @property
    def stop_request(self) -> StopRequest | None:
        """The request that stops this run; None as long as there is none."""
        return self._state.request

    @property
    def error(self) -> BaseException | None:
        """The exception that the run has failed with; None if it has not failed."""
        return self._state.error or self._state.cleanup_error

    @property
    def result(self) -> R | None:
        """The result of the run, however it ended; None before its end.

        It is set even if awaiting the run raises: after a failure, or a cancellation by the caller.
        """
        if self._state.is_given_up:  # something of it is still at work
            return self._adapter.so_far()
        return self._state.result

    @property
    def has_taken_task(self) -> bool:
        """Whether the team has taken the task, and goes on without it; False while it runs."""
        return self._state.phase is Phase.DONE and self._adapter.has_taken_task

    def stop(self, reason: str = "Stopped") -> None:
        """Stop this run alone; from any thread, and as often as you like.

        Args:
            reason: The reason, for `TaskResult.stop_reason`.
        """
        self._stoppable.stop(reason)

    def drain(self, reason: str = "Stopped") -> None:
        """End this run alone at the next boundary between two turns, however long that takes.

        The turn in progress finishes, and no other begins; `stop()` may still end it before. A
        single agent has one turn, its whole run. It may be called from any thread.

        Args:
            reason: The reason, for `TaskResult.stop_reason`.
        """
        self._stoppable.drain_alone(reason)

    @property
    def is_drained(self) -> bool:
        """Whether it has ended between two turns, and a stop has interrupted none."""
        return self._state.phase is Phase.DONE and self._state.is_draining

    async def aclose(self) -> None:
        """Stop the run, and wait until it has settled; if it has not started, it never will.

        Raises:
            Quarantined: It could not be ended.
        """
        await self._consumers.close()

    # -- as a coroutine, and as something to iterate --------------------------------------------

    def __await__(self) -> Generator[Any, Any, R]:
        return self._wait().__await__()

    def send(self, value: Any) -> Any:
        """Resume the run as a coroutine; for the task that drives it."""
        return self._as_coroutine().send(value)

    def throw(
        self,
        typ: Any,
        val: BaseException | object = None,
        tb: TracebackType | None = None,  # noqa: ARG002 - the exception has it
    ) -> Any:
        """Raise an exception in the run as a coroutine; for the task that drives it."""
        error = typ if isinstance(typ, BaseException) else (val or typ())
        return self._as_coroutine().throw(cast(BaseException, error))

    def close(self) -> None:
        """Close the run as a coroutine; if it has not started, it never will."""
        if self._coro is not None:
            self._coro.close()
        if self._state.phase is Phase.CREATED:
            self._state.request = StopRequest(reason="Closed before it started", rung=Rung.CANCEL)

    def _as_coroutine(self) -> Coroutine[Any, Any, R]:
        if self._coro is None:
            self._coro = self._wait()
        return self._coro

    async def _wait(self) -> R:
        __tracebackhide__ = True
        return await self._consumers.wait()  # and keep the run, which would warn as it goes

    def __aiter__(self) -> AsyncIterator[E]:
        """Start the run, and iterate its events.

        Raises:
            UsageError: The run is being awaited, or was iterated before.
        """
        self._consumers.iterate()
        return _Events(self, self._consumers)

    if TYPE_CHECKING:
        # AutoGen's Console is annotated to take an async generator, and does nothing but iterate.
        # For type checkers only: an iterator that is the run itself would not learn of a `break`.
        async def __anext__(self) -> E: ...
        async def asend(self, value: None, /) -> E: ...
        async def athrow(self, typ: Any, val: Any = None, tb: Any = None, /) -> E: ...


class _Events(AsyncIterator[E], Generic[E, R]):
    """The events of a run, for one loop over them.

    A `for` loop holds the only reference to its iterator, and drops it as it is left, in whatever
    way: that is how the run learns of a `break`, which Python tells nobody else.
    """

    def __init__(self, run: Run[E, R], consumers: Consumers[E, R]) -> None:
        self._run = run  # which would warn as it goes, where no event was asked for yet
        self._consumers = consumers
        self._reading = Reading()
        self._is_over = False

    async def __anext__(self) -> E:
        if self._is_over:
            raise StopAsyncIteration
        # Most are there: without a coroutine of its own for each.
        event = self._consumers.ready_event()
        if event is NOTHING:
            event = await self._consumers.next_event(self._reading)
        if event is NOTHING:
            self._is_over = True
            result = self._consumers.outcome()
            if not self._consumers.yields_result:
                raise StopAsyncIteration
            return cast(E, result)  # one of its events too
        return event

    async def aclose(self) -> None:
        """Stop the run, and wait until it is settled."""
        self._is_over = True
        try:
            await self._consumers.close()
        finally:
            self._consumers.leave(self._reading)

    def __del__(self) -> None:
        if not self._is_over:
            self._consumers.abandon(self._reading)


def adapter_of(run: Run[E, R]) -> Adapter[E, R]:
    """Return how a run's work is started and stopped: for what looks into one framework's."""
    return run._adapter  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def earlier_of(run: Run[E, R]) -> Sequence[Any]:
    """Return the messages of earlier processes: the result has them, and they are no events."""
    return getattr(adapter_of(run), "earlier", ())


def owner_of(run: Run[E, R]) -> Owner:
    """Return what stops a run together with others: for what tells of that stop."""
    return run._owner  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def stop_now(run: Run[E, R], reason: str, cause: str) -> None:
    """Stop a run alone, in its loop, for a cause other than its program's code."""
    run._stoppable.stop_now(reason, cause)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

"""A run: one team, or one agent, at work on one task, under a supervisor.

AutoGen's `run_stream` is iterated in a task of ours, the *driver*, and the user's code takes the
events from there. Why not hand out the generator itself: a cancellation of the user's task (a
time-out, a client that went away) would be thrown into it, and its `finally` waits without limit
for a team that has not been told anything; and a loop that is left by `break` would leave it to
the garbage collector.
"""

from __future__ import annotations

import asyncio
import contextvars
import enum
import logging
import math
import warnings
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, cast

from autogen_agentchat.base import ChatAgent, TaskResult, Team, TerminationCondition
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    ModelClientStreamingChunkEvent,
)
from autogen_core import CancellationToken

from supervisor.autogen import hush, private
from supervisor.autogen.boundary import TurnBoundary
from supervisor.autogen.private import Engine
from supervisor.autogen.settling import Settling
from supervisor.autogen.token import SupervisedToken
from supervisor.errors import Quarantined, SettingsError, UsageError
from supervisor.events import Rung, StopRequest
from supervisor.log import reporter
from supervisor.settings import Ladder
from supervisor.tasks import SCOPE, AnyTask, Kind, Scope, tracker

AnyToken = CancellationToken
Runnable = Team | ChatAgent
Task = str | BaseChatMessage | Sequence[BaseChatMessage]
Event = BaseAgentEvent | BaseChatMessage | TaskResult

# How far the driver may be ahead of the user's loop. An agent's stream would fill the memory for a
# slow reader; a team's fills AutoGen's own queue, as it does without us.
_AHEAD = 256


class Phase(enum.Enum):
    """What a run is doing."""

    CREATED = "not started"
    ACTIVE = "at work"
    STOPPING = "stopping"
    DONE = "done"


class Host(Protocol):
    """What a run needs of its supervisor."""

    @property
    def ladder(self) -> Ladder:
        """The seconds of a stop that only this run makes."""
        ...

    def admit(self, run: Run) -> None:
        """Take the run in as it starts, or raise why it must not."""
        ...

    def dismiss(self, run: Run) -> None:
        """Forget a run that is done."""
        ...

    def notice(self) -> None:
        """Look again at what there is to wait for."""
        ...


# By the id() of a team, which the run keeps alive: the run that has it now or is still settling
# it (a following one waits for that), and the run that had to be given up.
_busy: dict[int, Run] = {}
_given_up: dict[int, Run] = {}


class Run(Coroutine[Any, Any, TaskResult]):
    """A run, as `Supervisor.stream` gives it: to be awaited, or iterated.

    A coroutine object: `await run`, `asyncio.create_task(run)`, `asyncio.gather(run, other)`. And
    async-iterable, like what `run_stream` gives: `async for event in run`, the last item being the
    `TaskResult`. It starts at the first of these. Awaiting it once more gives the same result.

    A loop that is left early (by `break`, by an exception) stops the run.
    """

    def __init__(
        self,
        host: Host,
        team: Runnable,
        task: Task | None,
        *,
        cancellation_token: AnyToken | None,
        output_task_messages: bool,
        timeout: float | None,
    ) -> None:
        self._phase = Phase.DONE  # what is refused here is never awaited, and not to be warned of
        _check(team, timeout)
        self._host = host
        self._team = team
        self._options: dict[str, Any] = {"task": _as_autogen_takes_it(task)}
        if not output_task_messages:
            self._options["output_task_messages"] = False
        self._caller_token = cancellation_token
        self._timeout = timeout
        self._phase = Phase.CREATED
        self._request: StopRequest | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._token = SupervisedToken()
        self._scope = Scope(private.kind_of, self._note_engine)
        self._engines: dict[AnyTask, Engine] = {}
        self._settling: Settling | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._put_back: Callable[[], None] | None = None
        self._is_draining = False
        self._is_quarantined = False
        self._was_cancelled_by_caller = False
        self._events: deque[Event] = deque()
        self._keeps_events = False
        self._delivered: list[BaseAgentEvent | BaseChatMessage] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._room: asyncio.Future[None] | None = None
        self._readers: set[AnyTask | None] = set()
        self._natural: TaskResult | None = None
        self._result: TaskResult | None = None
        self._error: BaseException | None = None
        self._coro: Coroutine[Any, Any, TaskResult] | None = None

    def __repr__(self) -> str:
        why = f": {self._request.reason}" if self._request else ""
        return f"<Run of {self.name!r} {self._phase.value}{why}>"

    def __del__(self) -> None:
        if self._phase is Phase.CREATED and self._coro is None and self._request is None:
            message = f"{self!r} was never awaited"
            warnings.warn(message, RuntimeWarning, stacklevel=1, source=self)

    @property
    def name(self) -> str:
        """The name of the team or agent."""
        return str(getattr(self._team, "name", type(self._team).__name__))

    @property
    def phase(self) -> Phase:
        """What the run is doing."""
        return self._phase

    @property
    def stop_request(self) -> StopRequest | None:
        """Why the run was told to stop; None while it was not."""
        return self._request

    def is_read_by_others(self, task: AnyTask | None) -> bool:
        """Whether a living task other than this one awaits or iterates the run."""
        return any(not reader.done() for reader in self.readers if reader is not task)

    @property
    def readers(self) -> list[AnyTask]:
        """The tasks that have awaited or iterated the run."""
        return [reader for reader in self._readers if reader is not None]

    def speakers(self) -> list[str]:
        """The names of the agents whose turn it is, the outer teams' first."""
        # Also of runtimes whose message loop has ended: who refuses to stop speaks on without it.
        names = dict.fromkeys(n for engine in self._engines.values() for n in engine.speakers())
        return list(names) or [self.name]

    # -- as a coroutine, and as something to iterate --------------------------------------------

    def __await__(self) -> Generator[Any, Any, TaskResult]:
        return self._wait().__await__()

    def send(self, value: Any) -> Any:
        """As a coroutine object's: for the task that the run was handed to."""
        return self._as_coroutine().send(value)

    def throw(
        self,
        typ: Any,
        val: BaseException | object = None,
        tb: TracebackType | None = None,  # noqa: ARG002 - the exception has it
    ) -> Any:
        """As a coroutine object's: for the task that the run was handed to."""
        error = typ if isinstance(typ, BaseException) else (val or typ())
        return self._as_coroutine().throw(cast(BaseException, error))

    def close(self) -> None:
        """As a coroutine object's: a run that was not started never will be."""
        if self._coro is not None:
            self._coro.close()
        if self._phase is Phase.CREATED:
            self._request = StopRequest(reason="Closed before it started", rung=Rung.CANCEL)

    def _as_coroutine(self) -> Coroutine[Any, Any, TaskResult]:
        if self._coro is None:
            self._coro = self._wait()
        return self._coro

    def __aiter__(self) -> AsyncIterator[Event]:
        """Start the run, and iterate its events.

        Raises:
            UsageError: The run is being awaited, or was iterated before.
        """
        if self._keeps_events or (self._readers and self._phase is not Phase.DONE):
            raise UsageError(f"{self!r} has a reader already; a run can be iterated once")
        self._keeps_events = self._phase is not Phase.DONE
        return _Events(self)

    if TYPE_CHECKING:
        # AutoGen's Console is annotated to take an async generator, and does nothing but iterate.
        # For type checkers only: an iterator that is the run itself would not learn of a `break`.
        async def __anext__(self) -> Event: ...
        async def asend(self, value: None, /) -> Event: ...  # noqa: D102
        async def athrow(self, typ: Any, val: Any = None, tb: Any = None, /) -> Event: ...  # noqa: D102

    async def aclose(self) -> None:
        """Stop the run, and wait until it is settled; a run that was not started never will be.

        Raises:
            Quarantined: It could not be ended.
        """
        self._stop("Closed by its reader")
        if self._phase is Phase.CREATED:
            return
        await self._until_done()
        if self._is_quarantined and self._error is not None:
            raise self._error

    # -- stopping -------------------------------------------------------------------------------

    def stop(self, reason: str) -> None:
        """Stop this run, and no other; from any thread, and as often as you like.

        Args:
            reason: What its `TaskResult.stop_reason` will say.
        """
        if self._loop is None:
            self._stop(reason)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop, reason)

    def drain(self, request: StopRequest) -> None:
        """Let the current turn finish, and begin no other, where the team's class allows that."""
        if self._phase is not Phase.ACTIVE:
            return
        self._request = self._request or request
        self._is_draining = True
        self._place_boundary()

    def cancel(self, request: StopRequest) -> None:
        """Enter CANCEL: nothing but the final result is yielded any more."""
        if self._phase is not Phase.ACTIVE:
            return
        self._request = self._request or request
        self._phase = Phase.STOPPING
        self._events.clear()
        self._settling = Settling(self._scope, self._engines, self._token, self._finish)
        self._settling.strike()
        self._wake()

    def strike(self) -> None:
        """Cancel once more what was cancelled and still runs."""
        if self._settling is not None and self._phase is Phase.STOPPING:
            self._settling.strike()

    def abandon(self, request: StopRequest) -> None:
        """Enter ABANDON: what still runs is cancelled again and again."""
        self.cancel(request)
        if self._settling is not None and self._phase is Phase.STOPPING:
            self._settling.abandon()

    def give_up(self, seconds: float) -> None:
        """Put the team into quarantine: something of the run refused to end.

        Args:
            seconds: How long it has been asked to.
        """
        if self._settling is None or self._phase is not Phase.STOPPING or self._is_quarantined:
            return
        self._is_quarantined = True
        _given_up[id(self._team)] = self
        names = [task.get_name() for task in self._settling.left()]
        self._settling.give_up()
        self._error = Quarantined(
            self.name, self.speakers(), f"running ({', '.join(names)})", seconds
        )
        self._wake()
        self._host.notice()

    @property
    def error(self) -> BaseException | None:
        """What the run failed with, so far."""
        return self._error

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to wait for any more: it is done, or was given up."""
        return self._phase is Phase.DONE or self._is_quarantined

    def _stop(self, reason: str) -> None:
        """Stop this run alone, with a ladder of its own."""
        request = StopRequest(reason=reason, rung=Rung.CANCEL)
        if self._phase is Phase.CREATED:
            self._request = self._request or request
        if self._phase is not Phase.ACTIVE:
            return
        self.cancel(request)
        self._climb_alone(request)

    def _climb_alone(self, request: StopRequest) -> None:
        ladder = self._host.ladder
        seconds = ladder.cancel + min(ladder.abandon, _longest(ladder))
        self._later(ladder.cancel / 2, self.strike)
        self._later(ladder.cancel, lambda: self.abandon(request))
        self._later(seconds, lambda: self.give_up(seconds))

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        if self._loop is not None and seconds < math.inf and not self.is_over:
            self._timers.append(self._loop.call_later(seconds, call))

    # -- at work --------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._phase is not Phase.CREATED:
            return
        if self._request is not None:  # stopped before it started
            self._phase = Phase.DONE
            self._result = TaskResult(messages=[], stop_reason=self._request.reason)
            return
        try:
            _refuse_given_up(self._team)
            self._host.admit(self)
        except BaseException as error:
            self._phase, self._error = Phase.DONE, error
            raise
        loop = self._loop = asyncio.get_running_loop()
        tracker(loop).hold()
        hush.hold()
        self._token.bind(loop)
        self._phase = Phase.ACTIVE
        self._start_driver(loop)
        self._heed_caller()
        if self._timeout is not None:
            self._later(self._timeout, lambda: self._stop(f"Stopped after {self._timeout:g} s"))

    def _start_driver(self, loop: asyncio.AbstractEventLoop) -> None:
        before, _busy[id(self._team)] = _busy.get(id(self._team)), self
        context = contextvars.copy_context()
        context.run(SCOPE.set, None)
        coro = self._drive(before)
        driver = loop.create_task(coro, name=f"run of {self.name}", context=context)
        context.run(SCOPE.set, self._scope)
        self._scope.note(driver, Kind.DRIVER, coro)
        driver.add_done_callback(self._driver_ended)

    def _heed_caller(self) -> None:
        token, loop = self._caller_token, self._loop
        if token is None or loop is None:
            return
        # A plain CancellationToken never forgets a callback: this one must not keep the run.
        me = weakref.ref(self)

        def hop() -> None:
            run = me()
            if run is not None and not loop.is_closed():
                loop.call_soon_threadsafe(run.cancel_by_caller)

        token.add_callback(hop)

    def cancel_by_caller(self) -> None:
        """End the run for somebody outside, who gets a `CancelledError`."""
        if self._phase is Phase.ACTIVE:
            self._was_cancelled_by_caller = True
            self._stop("Cancelled by the caller")

    async def _drive(self, before: Run | None) -> None:
        if before is not None and before.phase is Phase.STOPPING:
            await before.until_settled()
        stream = self._team.run_stream(cancellation_token=self._token, **self._options)
        try:
            async for event in stream:
                if _role(event) is _RESULT:
                    self._natural = cast(TaskResult, event)
                elif self._phase is _ACTIVE:
                    if self._is_draining:
                        self._place_boundary()
                    self._take(event)
                    if len(self._events) >= _AHEAD:
                        await self._until_room()
        finally:
            # Also of a generator that waits at its `yield`: its clean-up is part of the run.
            if hasattr(stream, "aclose"):
                await stream.aclose()

    def _take(self, event: Event) -> None:
        if not self._keeps_events:
            self._deliver(event)
            return
        self._events.append(event)
        if self._waiting:
            self._wake_readers()

    def _deliver(self, event: Event) -> None:
        if _role(event) is _MESSAGE:
            self._delivered.append(cast("BaseAgentEvent | BaseChatMessage", event))

    async def _until_room(self) -> None:
        self._room = asyncio.get_running_loop().create_future()
        await self._room

    def _make_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    def _note_engine(self, task: AnyTask, coro: Any) -> None:
        self._engines[task] = Engine(coro)
        if len(self._engines) > 16:  # noqa: PLR2004 - nested teams start one each time they speak
            self._engines = {t: e for t, e in self._engines.items() if not t.done()}

    def _place_boundary(self) -> None:
        reason = self._request.reason if self._request else ""

        def wrap(found: TerminationCondition | None) -> TerminationCondition:
            return TurnBoundary(found, reason)

        if self._put_back is None and self._engines:
            outermost = next(iter(self._engines.values()))
            self._put_back = outermost.swap_condition(wrap)

    # -- the end --------------------------------------------------------------------------------

    def _driver_ended(self, driver: AnyTask) -> None:
        if self._phase is not Phase.ACTIVE:
            return  # settling: it knows when the last of the run's tasks has ended
        if driver.cancelled():
            # Not by us: somebody cancels all tasks of the loop.
            self.cancel_by_caller()
            return
        self._error = driver.exception()
        self._finish()

    def _finish(self) -> None:
        """Draw the conclusion; nothing of the run is at work any more."""
        was_stopped = self._phase is Phase.STOPPING
        self._phase = Phase.DONE
        for timer in self._timers:
            timer.cancel()
        if self._put_back is not None:
            self._put_back()
        loop = cast(asyncio.AbstractEventLoop, self._loop)
        tracker(loop).release()
        hush.release()
        if self._natural is None:
            self._repair()
        if was_stopped or self._error is None:
            self._error = None
            self._result = self._natural or self._stopped_result()
        self._is_quarantined = False
        for runs in (_busy, _given_up):
            if runs.get(id(self._team)) is self:
                del runs[id(self._team)]
        self._wake()
        self._host.dismiss(self)

    def _stopped_result(self) -> TaskResult:
        reason = self._request.reason if self._request else None
        return TaskResult(messages=self._delivered, stop_reason=reason)

    def _repair(self) -> None:
        conditions = [c for engine in self._engines.values() for c in engine.conditions()]
        for engine in self._engines.values():
            engine.repair()
        private.free(self._team)
        for condition in conditions:
            _finish_now(condition.reset())

    def _wake(self) -> None:
        self._make_room()
        self._wake_readers()

    def _wake_readers(self) -> None:
        while self._waiting:
            waiter = self._waiting.pop()
            if not waiter.done():
                waiter.set_result(None)

    # -- those who wait -------------------------------------------------------------------------

    async def _wait(self) -> TaskResult:
        self._begin()
        self._readers.add(asyncio.current_task())
        while not self.is_over:
            self._keeps_events = False
            while self._events:  # left by a loop over its first events: delivered all the same
                self._deliver(self._events.popleft())
            self._make_room()
            try:
                await self._notice()
            except asyncio.CancelledError:
                await self._cancelled()
                raise
        return self.conclude()

    async def next_event(self) -> Event | None:
        """The next event; None once there will be none."""
        while not self._events:
            self._begin()
            if self.is_over:
                return None
            self._readers.add(asyncio.current_task())
            try:
                await self._notice()
            except asyncio.CancelledError:
                await self._cancelled()
                raise
        event = self._events.popleft()
        self._deliver(event)
        if self._room is not None:
            self._make_room()
        return event

    async def _cancelled(self) -> None:
        """Stop the run, for its reader was cancelled; that is raised once it is settled."""
        self.cancel_by_caller()
        await self._until_done()

    def _notice(self) -> asyncio.Future[None]:
        waiter: asyncio.Future[None] = cast(Any, self._loop).create_future()
        self._waiting.append(waiter)
        return waiter

    async def _until_done(self) -> None:
        """Wait until the run is over, whatever cancels the waiting: its own ladder bounds it."""
        cancelled: asyncio.CancelledError | None = None
        while not self.is_over:
            try:
                await self._notice()
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    async def until_settled(self) -> None:
        """Wait until nothing of the run is at work.

        Raises:
            Quarantined: It was given up.
        """
        while not self.is_over:
            await self._notice()
        _refuse_given_up(self._team)

    def conclude(self) -> TaskResult:
        """The result, or the error that the run ended with; only once it is over."""
        if self._error is not None:
            raise self._error
        if self._was_cancelled_by_caller and self._natural is None:
            raise asyncio.CancelledError(self._stopped_result().stop_reason)
        return cast(TaskResult, self._result)

    def abandon_by_reader(self) -> None:
        """Stop the run, for nobody will read its further events."""
        if self._phase is not Phase.DONE and self._loop is not None:
            self.stop("Its reader went away")


class _Events(AsyncIterator[Event]):
    """The events of a run, for one loop over them.

    A `for` loop holds the only reference to its iterator, and drops it as it is left, in whatever
    way: that is how the run learns of a `break`, which Python tells nobody else.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._is_over = False

    async def __anext__(self) -> Event:
        if self._is_over:
            raise StopAsyncIteration
        event = await self._run.next_event()
        if event is None:
            self._is_over = True
            return self._run.conclude()
        return event

    async def aclose(self) -> None:
        """Stop the run, and wait until it is settled."""
        self._is_over = True
        await self._run.aclose()

    def __del__(self) -> None:
        if not self._is_over:
            self._run.abandon_by_reader()


def _check(team: object, timeout: object) -> None:
    if not callable(getattr(team, "run_stream", None)):
        raise TypeError(
            f"{team!r} has no run_stream(); pass an AutoGen Team or ChatAgent to stream()"
        )
    if timeout is not None and not (isinstance(timeout, (int, float)) and timeout >= 0):
        raise SettingsError("timeout", "give a number of seconds, or None for no limit", timeout)


class _Role(enum.Enum):
    MESSAGE = "is kept"
    CHUNK = "is only shown"
    RESULT = "comes last"


# On the hot path: to look up a member of an Enum takes as long as to look up a dictionary entry.
_ACTIVE, _MESSAGE, _RESULT = Phase.ACTIVE, _Role.MESSAGE, _Role.RESULT

# By class: `isinstance` with one of pydantic's costs half a microsecond, for each streamed chunk.
_roles: dict[type, _Role] = {}


def _role(event: Event) -> _Role:
    role = _roles.get(type(event))
    if role is None:
        is_chunk = isinstance(event, ModelClientStreamingChunkEvent)
        other = _Role.RESULT if isinstance(event, TaskResult) else _Role.MESSAGE
        role = _roles[type(event)] = _Role.CHUNK if is_chunk else other
    return role


def _as_autogen_takes_it(task: Task | None) -> Any:
    # AutoGen 0.7.5 declares a Sequence, and takes nothing but a list.
    return list(task) if isinstance(task, tuple) else task


def _refuse_given_up(team: object) -> None:
    before = _given_up.get(id(team))
    if before is not None and before.error is not None:
        raise before.error


def _longest(ladder: Ladder) -> float:
    return ladder.abandon if ladder.abandon < math.inf else Ladder().abandon


def _finish_now(coro: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never really waits, as AutoGen's conditions' `reset()` do not."""
    try:
        coro.send(None)
    except StopIteration:
        return
    except Exception as error:  # noqa: BLE001 - a user's condition must not keep the run
        reporter.event("termination condition not reset", level=logging.WARNING, exc_info=error)
        return
    coro.close()
    reporter.event("termination condition not reset: it waits", level=logging.WARNING)

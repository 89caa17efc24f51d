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
import functools
import logging
import math
import warnings
import weakref
from collections.abc import AsyncIterator, Coroutine, Generator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import ChatAgent, TaskResult, Team
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_core import CancellationToken

from supervisor._autogen import quarantine, repair, results, upstream
from supervisor._autogen.channel import Channel, Event, Item, Role, role
from supervisor._autogen.fast_path import FastPath
from supervisor._autogen.history import resume
from supervisor._autogen.repair import Repair
from supervisor._autogen.repair_thread import RepairThread
from supervisor._autogen.run_context import RunContext
from supervisor._autogen.teardown import Teardown
from supervisor._autogen.walk import walk
from supervisor._core.errors import Quarantined, SupervisorError, UsageError
from supervisor._core.events import Rung, StopRequest
from supervisor._core.readers import Readers, Reading
from supervisor._core.settings import Ladder, parse_seconds
from supervisor._core.shield import shielded
from supervisor._core.stoppable import Owner, OwnStop
from supervisor._core.tasks import SCOPE, AnyTask, Kind, tracker
from supervisor._reports.findings import TaskInfo
from supervisor._reports.log import reporter

AnyToken = CancellationToken
Runnable = Team | ChatAgent
Task = str | BaseChatMessage | Sequence[BaseChatMessage]


class Phase(enum.Enum):
    """What a run is doing."""

    CREATED = "not started"
    ACTIVE = "at work"
    STOPPING = "stopping"
    DONE = "done"


class Run(Coroutine[Any, Any, TaskResult]):
    """A run, as `Supervisor.stream` gives it: to be awaited, or iterated.

    A coroutine object: `await run`, `asyncio.create_task(run)`, `asyncio.gather(run, other)`. And
    async-iterable, like what `run_stream` gives: `async for event in run`, the last item being the
    `TaskResult`. It starts at the first of these. Awaiting it once more gives the same result.

    A loop that is left early (by `break`, by an exception) stops the run.
    """

    def __init__(
        self,
        host: Owner,
        team: Runnable,
        task: Task | None,
        *,
        cancellation_token: AnyToken | None,
        output_task_messages: bool,
        timeout: float | None,
        fast_path: bool,
    ) -> None:
        self._phase = Phase.DONE  # what is refused here is never awaited, and not to be warned of
        _check(team, timeout)
        self._host = host
        self._team = team
        self._options: dict[str, Any] = {"task": _as_autogen_takes_it(task, team)}
        self._shows_task = output_task_messages
        if not output_task_messages:
            self._options["output_task_messages"] = False
        self._caller_token = cancellation_token
        self._timeout = timeout
        self._phase = Phase.CREATED
        self._request: StopRequest | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        agent = team if isinstance(team, ChatAgent) else None
        self._fast_path = FastPath(team, self._take) if fast_path else None
        self._stage = RunContext(agent, self._between_turns, self._fail, self._fast_path)
        self._settling: Teardown | None = None
        self._conclusion: Repair | None = None
        self._waiting: RepairThread | None = None  # while the conclusion waits
        self._time_limit: asyncio.TimerHandle | None = None
        self._own_stop: OwnStop | None = None
        self._is_draining = False
        self._is_quarantined = False
        self._was_cancelled_by_caller = False
        self._is_told = False  # to stop, by `stop()`
        self._channel = Channel()
        self._readers = Readers(self._served)
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
        return list(self._readers.tasks)

    @property
    def unread(self) -> int:
        """How many of its events were not read yet."""
        return self._channel.waiting

    def active_agents(self) -> list[str]:
        """The names of the agents whose turn it is, the outer teams' first."""
        return self._stage.journal.active_agents() or [self.name]

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
        if self._channel.keeps or (self._readers.tasks and self._phase is not Phase.DONE):
            raise UsageError(f"{self!r} has a reader already; a run can be iterated once")
        self._channel.keeps = self._phase is not Phase.DONE
        return _Events(self)

    if TYPE_CHECKING:
        # AutoGen's Console is annotated to take an async generator, and does nothing but iterate.
        # For type checkers only: an iterator that is the run itself would not learn of a `break`.
        async def __anext__(self) -> Event: ...
        async def asend(self, value: None, /) -> Event: ...
        async def athrow(self, typ: Any, val: Any = None, tb: Any = None, /) -> Event: ...

    async def aclose(self) -> None:
        """Stop the run, and wait until it is settled; a run that was not started never will be.

        Raises:
            Quarantined: It could not be ended.
        """
        self._refuse_own("closed")
        self._stop("Closed by its reader")
        if self._phase is Phase.CREATED:
            return
        await self._until_done()
        if self._is_quarantined and self._error is not None:
            raise self._error

    # -- stopping -------------------------------------------------------------------------------

    def stop(self, reason: str = "Stopped") -> None:
        """Stop this run, and no other; from any thread, and as often as you like.

        Args:
            reason: What its `TaskResult.stop_reason` will say.
        """
        self._is_told = True
        if self._loop is None:
            self._stop(reason)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop, reason)

    def drain(self, request: StopRequest) -> None:
        """Let the turn finish that is being taken, and begin no other."""
        if self._phase is not Phase.ACTIVE:
            return
        self._request = self._request or request
        self._is_draining = self._stage.holds_back = True
        self._between_turns()

    def _between_turns(self) -> None:
        """Where nobody's turn is being taken, a run that drains is at its end."""
        request = self._request
        is_draining = self._is_draining and self._phase is Phase.ACTIVE
        if is_draining and request is not None and self._stage.journal.is_between_turns():
            self._settle(request)

    def cancel(self, request: StopRequest) -> None:
        """Enter CANCEL: nothing but the final result is yielded any more."""
        if self._phase is not Phase.ACTIVE:
            return
        self._is_draining = False
        self._channel.withhold()
        self._settle(request)

    def _settle(self, request: StopRequest) -> None:
        self._request = self._request or request
        self._phase = Phase.STOPPING
        seconds = min(self._host.ladder.cancel, Ladder().cancel)
        self._settling = Teardown(self._stage, self._finish, seconds)
        self._stage.refuse = self._settling.cancel
        self._settling.strike()
        self._channel.wake()

    def cancel_again(self) -> None:
        """Cancel once more what was cancelled and still runs."""
        if self._settling is not None and self._is_settling:
            self._settling.strike()

    def abandon(self, request: StopRequest) -> None:
        """Enter ABANDON: what still runs is cancelled again and again."""
        self.cancel(request)
        if self._waiting is not None:
            self._waiting.cancel()
        elif self._settling is not None and self._is_settling:
            self._settling.abandon()

    @property
    def _is_settling(self) -> bool:
        return self._phase is Phase.STOPPING and self._waiting is None

    def give_up(self, seconds: float) -> None:
        """Put the team into quarantine: something of the run refused to end.

        Args:
            seconds: How long it has been asked to.
        """
        if self._waiting is not None:
            event = "team not made consistent: its context, condition or manager refused to stop"
            reporter.event(event, level=logging.ERROR, team=self.name)
            self._end(was_stopped=self._error is None)
        if self._settling is None or not self._is_settling or self._is_quarantined:
            return
        if not self._settling.left():
            reporter.event("helper refused to stop", level=logging.ERROR, team=self.name)
            self._settling.leave_helpers()
            return
        self._is_quarantined = True
        quarantine.give_up(walk(self._team), self)
        doing = quarantine.doing(self._settling.left())
        self._settling.give_up()
        self._error = Quarantined(self.name, self.active_agents(), doing, seconds)
        reporter.event(f"{self._error}", level=logging.WARNING, team=self.name)
        self._channel.wake()
        self._host.wake()

    @property
    def result(self) -> TaskResult | None:
        """What the run has come to, in whatever way it has ended; None before that.

        Also where awaiting it raises: after a failure, or a cancellation by the caller.
        """
        if self._is_quarantined:  # its team is still at work
            return TaskResult(messages=self._channel.held(), stop_reason=self._reason)
        return self._result

    @property
    def has_taken_task(self) -> bool:
        """Whether the team has taken the task, and goes on without; False while the run lasts."""
        if self._phase is not Phase.DONE:
            return False
        if self._conclusion is not None:
            return self._conclusion.has_taken
        root = self._stage.journal.root
        return self._natural is not None and (root is None or root.was_told)

    @property
    def error(self) -> BaseException | None:
        """What the run failed with, so far."""
        return self._error

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to wait for any more: it is done, or was given up."""
        return self._phase is Phase.DONE or self._is_quarantined

    def tasks_at_work(self, asked: float | None) -> list[TaskInfo]:
        """Its tasks that are at work, for a report.

        Args:
            asked: For how many seconds they have been told to end.
        """
        settling = self._settling
        tasks = self._stage.scope.at_work() if settling is None else settling.struck()
        return [self._stage.task_info(task, self.name, asked) for task in tasks]

    def _stop(self, reason: str) -> None:
        """Stop this run alone, with a ladder of its own."""
        request = StopRequest(reason=reason, rung=Rung.CANCEL)
        if self._phase is Phase.CREATED:
            self._request = self._request or request
        if self._phase is not Phase.ACTIVE:
            return
        self.cancel(request)
        self._begin_own_stop(request)

    def _begin_own_stop(self, request: StopRequest) -> None:
        own = self._own_stop = OwnStop(self, self._host, self._running_loop)
        own.begin(request)

    @property
    def _running_loop(self) -> asyncio.AbstractEventLoop:
        return cast(asyncio.AbstractEventLoop, self._loop)

    # -- at work --------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._phase is not Phase.CREATED:
            return
        if self._request is not None:  # stopped before it started
            self._phase = Phase.DONE
            self._result = TaskResult(messages=[], stop_reason=self._request.reason)
            return
        try:
            quarantine.refuse_given_up(walk(self._team))
            resume.refuse_handed_off(self._team, self.name, self._options["task"])
            upstream.refuse_replaced()
            self._host.attach(self)
        except BaseException as error:
            self._phase, self._error = Phase.DONE, error
            raise
        loop = self._loop = asyncio.get_running_loop()
        self._stage.open(self._team, loop)
        self._stage.scope.is_interrupted = self._is_signalled
        self._stage.scope.on_failure = self._lose_track
        self._stage.on_token_cancelled = self._stop_by_token
        self._phase = Phase.ACTIVE
        self._start_driver(loop)
        self._heed_caller()
        if self._timeout is not None and self._timeout < math.inf:
            reason = f"Stopped after {self._timeout:g} s"
            self._time_limit = loop.call_later(self._timeout, self._stop, reason)

    def _start_driver(self, loop: asyncio.AbstractEventLoop) -> None:
        before = quarantine.follow(self._team, self)
        context = contextvars.copy_context()
        context.run(SCOPE.set, None)
        coro = self._drive(before)
        wrap = tracker(loop).wrap
        name, wrapped = f"run of {self.name}", coro if wrap is None else wrap(coro)
        driver = loop.create_task(wrapped, name=name, context=context)
        context.run(SCOPE.set, self._stage.scope)
        self._stage.scope.note(driver, Kind.DRIVER, coro)
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
        self._end_cancelled("Cancelled by the caller")

    def _end_cancelled(self, reason: str) -> None:
        if self._phase is Phase.ACTIVE:
            self._was_cancelled_by_caller = True
            self._stop(reason)

    async def _drive(self, before: quarantine.Running | None) -> None:
        if before is not None:
            await before.until_settled()
        stream = self._team.run_stream(cancellation_token=self._stage.token, **self._options)
        if self._fast_path is not None:
            self._fast_path.begin(stream)
        try:
            async for event in stream:
                if role(event) is _RESULT:
                    self._natural = cast(TaskResult, event)
                elif self._phase is _ACTIVE and not resume.is_replayed(event):
                    self._channel.put(event)
                    if self._channel.is_full:
                        await self._channel.until_room()
        finally:
            # Also of a generator that waits at its `yield`: its clean-up is part of the run.
            if hasattr(stream, "aclose"):
                await stream.aclose()

    def _take(self, event: Any) -> bool:
        """Take an event past the driver, where the driver would take it and not wait for room."""
        return self._phase is _ACTIVE and self._channel.offer(event)

    # -- the end --------------------------------------------------------------------------------

    def _driver_ended(self, driver: AnyTask) -> None:
        if self._phase is not Phase.ACTIVE:
            return  # settling: it knows when the last of the run's tasks has ended
        if driver.cancelled():
            # Not by us: somebody cancels all tasks of the loop, or an agent on its own its turn.
            by = "by the caller" if driver.cancelling() else "from within"
            self._end_cancelled(f"Cancelled {by}")
            return
        self._error = driver.exception()
        self._blame_signal()
        self._leave_shared()

    def _stop_by_token(self) -> None:
        """Stop, for an agent or a tool has cancelled the token that it was given."""
        if self._phase is Phase.ACTIVE:
            root = self._stage.scope.root(_current_task())
            name = self._stage.journal.agent_at(root)
            self.stop("Its token was cancelled" if name is None else f"Cancelled by {name!r}")

    def _refuse_own(self, what: str) -> None:
        """Raise where one of the run's own tasks would wait for the run's end.

        Raises:
            UsageError: It would.
        """
        if self.is_inside and not self.is_over:
            raise UsageError(
                f"{self!r} is {what} by one of its own agents or tools, for whose end it waits; "
                "call run.stop() there, and return"
            )

    @property
    def is_inside(self) -> bool:
        """Whether it is one of the run's own tasks that asks."""
        return SCOPE.get() is self._stage.scope

    @property
    def quarantined(self) -> Runnable | None:
        """Its team, while that is in quarantine."""
        return self._team if self._is_quarantined else None

    def _lose_track(self, cause: Exception) -> None:
        """Fail, for it could not be told what one of the run's tasks does.

        Called in the midst of AutoGen's code, so this is done in the loop's next step.
        """
        error = SupervisorError(
            f"the run of {self.name!r} was ended, for it could not be told what one of its tasks "
            f"does: {cause!r}; the traceback of that says whose code was looked at"
        )
        error.__cause__ = cause
        cast(asyncio.AbstractEventLoop, self._loop).call_soon(self._fail, error)

    def _blame_signal(self) -> None:
        """Take a failure for the interruption that it is, where a signal is stopping us.

        A terminal sends Ctrl-C, and systemd SIGTERM, to the children too: a tool sees its child die
        before CANCEL is entered, or while it drains, and makes an error of it.
        """
        request = self._host.stop_request
        if request is None or not self._is_signalled() or not isinstance(self._error, Exception):
            return
        if not isinstance(self._error, SupervisorError):
            reporter.event(
                "run failed while it was stopped", level=logging.ERROR, exc_info=self._error
            )
            self._error = None
            self._settle(request)

    def _is_signalled(self) -> bool:
        request = self._host.stop_request
        return request is not None and request.signal is not None

    def _leave_shared(self) -> None:
        """Finish, once nothing is at work on a runtime of the user's; after an error, end it."""
        shared = self._stage.shared
        if self._phase is not Phase.ACTIVE:
            return
        if not shared.is_at_work():
            self._finish()
        elif self._error is not None:
            self._end_failed()
        else:
            shared.when_less(self._leave_shared)

    def _fail(self, error: BaseException | None) -> None:
        """Fail at once, with what AutoGen does not pass on; None is a cancellation."""
        is_at_work = self._phase is Phase.ACTIVE and self._natural is None
        if error is None:
            # Not by us: a turn, or a tool in it, was cancelled by itself. Where a run drains, we
            # have cancelled the selection of the next speaker.
            if is_at_work and not self._is_draining:
                self._end_cancelled("Cancelled from within")
        elif is_at_work:
            self._error = error
            self._end_failed()
        else:
            event = "run failed while it was stopped"
            reporter.event(event, level=logging.ERROR, exc_info=error)

    def _end_failed(self) -> None:
        request = StopRequest(reason="The run has failed", rung=Rung.CANCEL)
        self._settle(request)
        self._begin_own_stop(request)

    def _finish(self) -> None:
        """Draw the conclusion; nothing of the run is at work any more."""
        was_stopped = self._phase is Phase.STOPPING and self._error is None
        self._phase = Phase.STOPPING
        loop = cast(asyncio.AbstractEventLoop, self._loop)
        self._stage.close(loop)
        end = functools.partial(self._end, was_stopped=was_stopped)
        if self._natural is not None and not was_stopped:
            end()
            return
        things = list(walk(self._team))  # as they are now: an agent may have made some meanwhile
        repair.repair(self._stage, things)
        drawn = self._conclusion = Repair(self._stage, self._channel, self._options["task"])
        if drawn.may_wait(things):
            self._waiting = RepairThread(loop, drawn.draw, end)
        else:
            drawn.draw()
            end()

    def _end(self, *, was_stopped: bool) -> None:
        if self._phase is Phase.DONE:
            return  # it was not waited for any more
        self._phase = Phase.DONE
        self._end_timers()
        if was_stopped or self._is_quarantined:
            self._error = None
        self._result = self._conclude()
        self._is_quarantined = False
        quarantine.free(self)
        self._channel.wake()
        if self._readers.are_due:
            self._host.expect(self)
        self._host.detach(self)

    def _end_timers(self) -> None:
        if self._time_limit is not None:
            self._time_limit.cancel()
        if self._own_stop is not None:
            self._own_stop.end()

    def _conclude(self) -> TaskResult:
        """What the run has come to; its team is consistent, or was given up."""
        if self._natural is not None:
            return self._natural_result(self._natural)
        drawn = self._conclusion
        items = self._channel.held()
        if drawn is not None:
            items = drawn.messages(shows_task=self._shows_task)
        items = resume.without_replayed(items)
        if self._is_draining:
            self._show_rest(items)
        return TaskResult(messages=items, stop_reason=self._reason)

    def _natural_result(self, result: TaskResult) -> TaskResult:
        items, reason = list(result.messages), result.stop_reason
        root = self._stage.journal.root
        if root is not None and root.is_of(self._team):
            items = repair.natural(items, root, shows_task=self._shows_task)
        items = resume.without_replayed(items)
        if reason is None and self._is_draining:
            reason = self._reason
        if items == result.messages and reason == result.stop_reason:
            return result
        return TaskResult(messages=items, stop_reason=reason)

    @property
    def _reason(self) -> str | None:
        if self._error is not None and not self._is_quarantined:
            return f"Failed with {type(self._error).__name__}"
        return self._request.reason if self._request is not None else None

    def _show_rest(self, items: Sequence[Item]) -> None:
        """Yield, of a run that has ended between two turns, what was still under way."""
        for item in results.without(items, self._channel.held()):
            self._channel.put(item)

    # -- those who wait -------------------------------------------------------------------------

    async def _wait(self) -> TaskResult:
        self._refuse_own("awaited")
        self._begin()
        with self._readers.reading():
            while not self.is_over:
                self._channel.deliver_all()  # also what is left by a loop over its first events
                try:
                    await self._notice()
                except asyncio.CancelledError:
                    await self._cancelled()
                    raise
            self._channel.deliver_all()
            return self.conclude()

    def ready_event(self) -> Event | None:
        """The next event, if one is there."""
        if self._channel.is_empty or self._is_told or self._host.yields_no_more:
            return None
        return self._channel.pop()

    async def next_event(self, reading: Reading) -> Event | None:
        """The next event; None once there will be none, and the result is what comes next."""
        self._refuse_own("iterated")
        while (event := self.ready_event()) is None:
            self._begin()
            if self.is_over:
                self.leave(reading)
                return None
            self._readers.read(reading)
            try:
                await self._notice()
            except asyncio.CancelledError:
                await self._cancelled()
                raise
        return event

    def leave(self, reading: Reading) -> None:
        """A reader has come to its end: nobody has to wait for it."""
        self._readers.leave(reading)

    async def _cancelled(self) -> None:
        """Stop the run, for its reader was cancelled; that is raised once it is settled."""
        self.cancel_by_caller()
        await self._until_done()

    def _notice(self) -> asyncio.Future[None]:
        return self._channel.notice(cast(asyncio.AbstractEventLoop, self._loop))

    async def _until_done(self) -> None:
        """Wait until the run is over, whatever cancels the waiting: its own ladder bounds it."""
        cancelled: asyncio.CancelledError | None = None
        with shielded():
            while not self.is_over:
                try:
                    await self._notice()
                except asyncio.CancelledError as error:
                    cancelled = error
        if cancelled is not None:
            raise cancelled

    async def until_settled(self) -> None:
        """Wait until nothing of a run that was told to stop is at work.

        Raises:
            Quarantined: It was given up.
        """
        while self._phase is Phase.STOPPING and not self.is_over:
            await self._notice()
        quarantine.refuse_given_up(walk(self._team))

    def conclude(self) -> TaskResult:
        """The result, or the error that the run ended with; only once it is over."""
        if self._error is not None:
            raise self._error
        if self._was_cancelled_by_caller and self._natural is None:
            raise asyncio.CancelledError(self._reason)
        return cast(TaskResult, self._result)

    def abandon_by_reader(self, reading: Reading) -> None:
        """Stop the run, for nobody will read its further events; in any thread."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        loop.call_soon_threadsafe(self.leave, reading)
        if self._phase is not Phase.DONE:
            self.stop("Its reader went away")

    def _served(self) -> None:
        if self._phase is Phase.DONE:
            self._host.served(self)


class _Events(AsyncIterator[Event]):
    """The events of a run, for one loop over them.

    A `for` loop holds the only reference to its iterator, and drops it as it is left, in whatever
    way: that is how the run learns of a `break`, which Python tells nobody else.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._reading = Reading()
        self._is_over = False

    async def __anext__(self) -> Event:
        if self._is_over:
            raise StopAsyncIteration
        event = self._run.ready_event()  # most are there: without a coroutine of its own for each
        if event is None:
            event = await self._run.next_event(self._reading)
        if event is None:
            self._is_over = True
            return self._run.conclude()
        return event

    async def aclose(self) -> None:
        """Stop the run, and wait until it is settled."""
        self._is_over = True
        try:
            await self._run.aclose()
        finally:
            self._run.leave(self._reading)

    def __del__(self) -> None:
        if not self._is_over:
            self._run.abandon_by_reader(self._reading)


def _current_task() -> AnyTask | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # in another thread
        return None


def _check(team: object, timeout: object) -> None:
    if not callable(getattr(team, "run_stream", None)):
        raise TypeError(
            f"{team!r} has no run_stream(); pass an AutoGen Team or ChatAgent to stream()"
        )
    if timeout is not None:
        parse_seconds("timeout", timeout)


# On the hot path: to look up a member of an Enum takes as long as to look up a dictionary entry.
_ACTIVE, _RESULT = Phase.ACTIVE, Role.RESULT


def _as_autogen_takes_it(task: Task | None, team: Runnable) -> Any:
    if isinstance(task, str) and isinstance(team, BaseChatAgent):
        return TextMessage(content=task, source="user")  # as it would itself; to be known again
    # AutoGen 0.7.5 declares a Sequence, and takes nothing but a list.
    return list(task) if isinstance(task, tuple) else task

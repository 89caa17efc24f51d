"""The conductor: introduces the hands to each other, and drives the ladder.

Here is what each step of a stop (`escalation.py`) means for the runs, the tasks and the body of
one block; EXIT is carried out wherever it came out, for the loop may be what is stuck.
"""

# ruff: noqa: SLF001 - a supervisor and the ones nested in it are one family

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import enum
import errno
import functools
import logging
import math
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast

from supervisor._core.errors import SettingsError, Stopped, UsageError
from supervisor._core.events import Rung, StopRequest
from supervisor._core.host_task import HostTask
from supervisor._core.ladder import LadderState, Move, Step
from supervisor._core.settings import (
    Children,
    Ladder,
    parse_children,
    parse_rung,
    parse_signals,
    parse_switch,
)
from supervisor._core.shield import shielded
from supervisor._core.stoppable import Stoppable
from supervisor._core.tasks import SCOPE, SPAWNED, AnyTask, cancel, refuse_eager
from supervisor._process import threads
from supervisor._process.cleanup import ChildCleanup
from supervisor._process.exit import (
    REPORT_SECONDS,
    end_by_signal,
    end_with_interpreter,
    exit_now,
    exit_status,
)
from supervisor._process.process_info import ProcessInfo
from supervisor._process.readiness import READY, STOPPING, ReadyFile, notify_manager
from supervisor._reports.findings import Findings, TaskInfo
from supervisor._reports.log import reporter
from supervisor._signals import masks
from supervisor._signals.guard_state import RESERVE_SECONDS, GuardState
from supervisor._signals.handlers import is_main_thread
from supervisor._signals.registry import registry
from supervisor._supervisor import at_work
from supervisor._supervisor.escalation import Escalation
from supervisor._supervisor.gc_pause import GcPause
from supervisor._supervisor.guests import Guests
from supervisor._supervisor.pending_results import PendingResults
from supervisor._supervisor.progress import sentence

if TYPE_CHECKING:
    from supervisor._autogen.run import AnyToken, Run, Runnable, Task
    from supervisor._autogen.token import SupervisedToken
    from supervisor._autogen.upstream.workers import Servable

T = TypeVar("T")

FORCED: Final = 137
"""The status of a process that had to be ended from outside its loop."""

_BEAT_SECONDS: Final = 0.25  # how long another one's hold on the wakeup fd can go unnoticed

_SAY_SECONDS: Final = 0.1  # what takes longer is told at a terminal

_current: ContextVar[Supervisor | None] = ContextVar("supervisor_current", default=None)


class _State(enum.Enum):
    NEW = "not entered yet"
    OPEN = "open"
    LEAVING = "leaving"
    CLOSED = "left"


class Supervisor:
    """Runs AutoGen teams so that they stop when told: at once, in order, within a deadline.

    An async context manager, to be used once. In the main thread it handles signals while its
    block is open; in another one it installs nothing, and obeys a supervisor of the main thread.

    When the block is left, nothing that was started in it is at work any more. A stop never comes
    out as an exception: the block ends, and the program goes on behind it.

    Args:
        ladder: The seconds of each rung. Where the environment has `SUPERVISOR_GRACE`, that is the
            whole budget.
        signals: Which signals stop, each with the rung at which it enters the ladder; a name
            ("SIGTERM") will do for a signal. None is SIGTERM at DRAIN, SIGINT at CANCEL, SIGHUP at
            CANCEL where stdin is a terminal, each unless it was ignored when the process started.
            `{}` installs nothing.
        exits: Whether the process is ended at the deadline also where no signal has asked for the
            stop, as under `supervisor.run`.
        guard: Whether a process of its own ends this one at the deadline where C code holds the
            interpreter, and the supervisor with it; `supervisor.run` has one unless told otherwise.
            Only in the main thread. It starts as the block is entered, which takes as long as
            starting Python.
        ready_file: A file that is there from the moment at which the block is open until a stop is
            first requested: for a readiness probe. systemd is told of both moments as well, where
            it has set `NOTIFY_SOCKET`.
        children: Which of the processes that the program has started are ended by a stop by a
            signal, however it ends. "own": all but those that have made daemons of themselves, the
            default under `supervisor.run`. "end": these too; on Linux the process adopts orphans
            for that. "leave", the default in a block: none but those of AutoGen's local code
            executor; from ABANDON on all the same, where the process is being ended.
        fast_path: Whether streamed events take the fast path on the runtimes that AutoGen's teams
            make for themselves: nothing is prepared for logs and traces that nobody reads, and
            chunks go straight to the output where nobody could tell. False leaves AutoGen's
            runtimes as they are.

    Raises:
        SettingsError: A setting cannot be.

    Example:
        ```python
        async with Supervisor() as sup:
            result = await sup.stream(team, "Write a haiku")
        ```
    """

    def __init__(
        self,
        *,
        ladder: Ladder | None = None,
        signals: Mapping[signal.Signals | int | str, Rung | str] | None = None,
        exits: bool = False,
        guard: bool = False,
        ready_file: str | os.PathLike[str] | None = None,
        children: Children = "leave",
        fast_path: bool = True,
    ) -> None:
        if ladder is not None and not isinstance(ladder, Ladder):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise SettingsError("ladder", "give a Ladder, as Ladder(drain=5, cancel=2)", ladder)
        self._ladder = (ladder or Ladder()).from_environment(os.environ)
        self._signals = _signals(signals)
        self._handled = frozenset[int](self._signals)
        self._state = _State.NEW
        self._escalation = Escalation(
            self._ladder, exits=parse_switch("exits", exits), handler=self
        )
        self._fast_path = parse_switch("fast_path", fast_path)
        self._wants_guard = parse_switch("guard", guard)
        self._ready_file = _ready_file(ready_file)
        self._exiting_at = math.inf
        self._stopped_at: float | None = None
        self._asked_at: float | None = None  # what is at work was cancelled
        self._is_announced = False
        self._is_spent = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: int | None = None
        self._parent: Supervisor | None = None
        self._children: set[Supervisor] = set()
        self._around: Supervisor | None = None  # as `_parent`, but on whichever loop
        self._guests = Guests(lambda: self._escalation.climb.deadline, self._notice_soon)
        self._hosts: set[Guests] = set()  # those that it was told by, on other loops
        self._host_task: weakref.ref[AnyTask] | None = None
        self._runs: dict[Stoppable, None] = {}
        self._at_work = 0  # so many runs, those of nested ones counted
        self._results = PendingResults(self.wake)
        self._spawned: set[asyncio.Task[Any]] = set()
        self._failed: list[asyncio.Task[Any]] = []
        self._token: SupervisedToken | None = None
        self._body: HostTask | None = None
        self._stop_waiters: set[asyncio.Future[None]] = set()
        self._callbacks: list[Callable[[StopRequest], object]] = []
        self._changed: asyncio.Event | None = None
        self._pause = GcPause()
        self.cleanup = ChildCleanup(
            parse_children(children), self._tell_of_killed, self._notice_soon
        )
        self._unwind = contextlib.ExitStack()

    def __repr__(self) -> str:
        what = f"{len(self._runs)} runs, {len(self._spawned)} tasks"
        return f"<Supervisor {self._state.value}, {what}, {self._escalation.climb!r}>"

    # -- what it tells ------------------------------------------------------------------------

    @property
    def ladder(self) -> Ladder:
        """The seconds of each rung, as they are in force."""
        return self._ladder

    @property
    def rung(self) -> Rung:
        """How far the stop has gone."""
        return self._escalation.climb.rung

    @property
    def stop_request(self) -> StopRequest | None:
        """The first request to stop: reason, signal, time. None while running."""
        return self._escalation.request

    @property
    def quarantined(self) -> tuple[Runnable, ...]:
        """The teams that refused to stop, and may not be used until they have ended after all."""
        found = (run.quarantined for run in list(self._runs))
        return tuple(cast("Runnable", thing) for thing in found if thing is not None)

    @property
    def exit_status(self) -> int:
        """The status to end the process with: 128 + n where signal n has stopped it, else 0."""
        if self._escalation.request is None or self._escalation.request.signal is None:
            return 0
        return exit_status(self._escalation.request.signal)

    @property
    def token(self) -> SupervisedToken:
        """A `CancellationToken` for calls of your own: cancelled at CANCEL.

        Cancelling it is a stop. It may be cancelled from any thread.
        """
        if self._token is None:
            from supervisor._autogen.token import SupervisedToken

            reason = "The supervisor's token was cancelled"
            self._token = SupervisedToken(on_cancel=lambda: self.stop(reason))
            if self._loop is not None:
                self._token.bind(self._loop, self._thread)
            if self.rung >= Rung.CANCEL:
                self._token.cancel(
                    self._escalation.request.reason if self._escalation.request else None
                )
        return self._token

    # -- what one asks of it ------------------------------------------------------------------

    def stream(
        self,
        team: Runnable,
        task: Task | None = None,
        *,
        cancellation_token: AnyToken | None = None,
        output_task_messages: bool = True,
        timeout: float | None = None,
    ) -> Run:
        """Run a team, or an agent, on a task.

        The run starts when it is first awaited or iterated. Stopped by the supervisor, it returns
        a `TaskResult` with every message delivered so far and a `stop_reason` that names the stop.

        Args:
            team: Anything with AutoGen's `run_stream`.
            task: What `run_stream` takes: a string, a message, messages, or None to go on.
            cancellation_token: A token of yours that ends the run with `CancelledError`.
            output_task_messages: Whether the task's own messages are among the events.
            timeout: Seconds after which the run is stopped, with the reason "Stopped after 60 s".

        Returns:
            A coroutine object that can be iterated as well; see `Run`.

        Raises:
            UsageError: Called outside the block.
            TypeError: `team` cannot be run.
            SettingsError: `timeout` is no number of seconds.
        """
        from supervisor._autogen.run import Run

        self._check_open("stream()")
        return Run(
            self,
            team,
            task,
            cancellation_token=None if cancellation_token is self._token else cancellation_token,
            output_task_messages=output_task_messages,
            timeout=timeout,
            fast_path=self._fast_path,
        )

    async def serve(self, runtime: Servable) -> StopRequest:
        """Host a worker: serve a runtime until a stop is requested, and stop it in order.

        DRAIN takes no further message and lets those being handled finish; CANCEL cancels their
        handlers; ABANDON stops the runtime whatever is still at work. Who has sent a request that
        is not handled gets an error. AutoGen cannot start a gRPC worker again.

        Args:
            runtime: A `GrpcWorkerAgentRuntime`, a `GrpcWorkerAgentRuntimeHost` or a
                `SingleThreadedAgentRuntime`; it is started, unless it was.

        Returns:
            The request to stop.

        Raises:
            UsageError: Called outside the block.
            Stopped: A stop was requested before; the runtime is stopped all the same.
            TypeError: The runtime is of another kind.

        Example:
            ```python
            async with Supervisor() as sup:
                await sup.serve(worker)
            ```
        """
        from supervisor._autogen.worker_run import Serving

        self._check_open("serve()")
        return await Serving(self, runtime).until_over()

    def spawn(self, coro: Coroutine[Any, Any, T], *, name: str | None = None) -> asyncio.Task[T]:
        """Start a task of yours that the ladder covers.

        The block waits for it. A stop lets it finish in DRAIN and cancels it at CANCEL; one that
        waits for a run then goes on with the run's result, and is cancelled at ABANDON. If it
        fails and nobody looks at it, the block raises its exception in an `ExceptionGroup`.

        Args:
            coro: The coroutine to run.
            name: The task's name, for reports.

        Raises:
            UsageError: Called outside the block.
            Stopped: A stop was requested.
        """
        try:
            self._check_open("spawn()")
            self._check_running()
        except BaseException:
            coro.close()
            raise
        context = contextvars.copy_context()
        context.run(SCOPE.set, None)  # of the supervisor, also when a run's tool spawns it
        task = asyncio.get_running_loop().create_task(coro, name=name, context=context)
        context.run(SPAWNED.set, weakref.ref(task))
        self._spawned.add(task)
        task.add_done_callback(self._spawned_ended)
        return task

    def stop(self, reason: str = "Stopped", rung: Rung | str = Rung.CANCEL) -> None:
        """Ask for a stop; from any thread, from a signal handler, as often as you like.

        Before the block is entered it ends at its first `await`; after it was left, nothing
        happens.

        Args:
            reason: What `TaskResult.stop_reason` will say.
            rung: Where to enter the ladder, or how far to climb where a stop is on its way; a
                name ("DRAIN") will do.

        Raises:
            SettingsError: There is no such rung.
            UsageError: For RUNNING, and for EXIT where the process is not the supervisor's to end.
        """
        rung = parse_rung("rung", rung)
        if self._state is _State.CLOSED:
            return
        LadderState(self._ladder, exits=self._exits).request(rung, 0.0)  # raises what cannot be
        self._body_knows()
        self._escalation.ask(StopRequest(reason=reason, rung=rung))
        self._escalation.go_to(rung)
        registry.kick()

    def dump(self) -> str:
        """Tell what is at work: each run, each task and its stack, each thread's; at any time.

        Returns:
            The report, for a person; nothing is written anywhere.
        """
        found = at_work.gather(self._suspects, self._loop, self.cleanup.children, whole=True)
        return "\n".join([repr(self), *map(repr, list(self._runs)), str(found)])

    async def wait_stop(self) -> StopRequest:
        """Wait until a stop is requested.

        The body that waits here is not cancelled at CANCEL: it has been told, and has until ABANDON
        to end in order.

        Raises:
            UsageError: Called outside the block.
        """
        self._check_open("wait_stop()")
        self._body_knows()
        while self._escalation.request is None or not self._is_announced:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._stop_waiters.add(waiter)
            try:
                await waiter
            finally:
                self._stop_waiters.discard(waiter)
        return self._escalation.request

    def on_stop(self, callback: Callable[[StopRequest], object]) -> None:
        """Have a function called in the loop when a stop is first requested.

        Called soon where it was already. What it raises is logged, and does not stop the next.
        """
        self._callbacks.append(callback)
        if self._is_announced and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the stop is long over
                self._loop.call_soon_threadsafe(self._call_back)

    # -- the block ----------------------------------------------------------------------------

    async def __aenter__(self) -> Supervisor:
        """Install the bridge, and open the block.

        Raises:
            UsageError: Entered twice; or the loop has an eager task factory.
        """
        if self._state is not _State.NEW:
            raise UsageError(
                "a Supervisor is used once, and this one was entered before; make a new one"
            )
        loop = asyncio.get_running_loop()
        refuse_eager(loop)
        self._state, self._loop, self._thread = _State.OPEN, loop, threading.get_ident()
        self._changed = asyncio.Event()
        self._body = HostTask()
        with contextlib.ExitStack() as unwind:
            self._put_in_place(loop, unwind)
            self._unwind = unwind.pop_all()
        self._escalation.open(loop)
        return self

    def _put_in_place(self, loop: asyncio.AbstractEventLoop, unwind: contextlib.ExitStack) -> None:
        self._find_place(loop)
        _current.set(self)
        unwind.callback(self._leave_family)
        unwind.callback(self._pause.end)
        unwind.callback(sys.setswitchinterval, sys.getswitchinterval())
        if registry.add(self):
            unwind.callback(self._hold_deadline)  # once it hears no more; `run` does so later
            unwind.callback(registry.leave, self)
        if is_main_thread():
            registry.hold()  # under `run` it was there before uvloop's loop, which has taken it
            beat = _Beat(loop)
            unwind.callback(beat.stop)
            _say_blocked(masks.blocked(self._signals))
        elif self._signals:
            _say_guest()
        threads.install(loop)
        if self._may_exit():
            self.cleanup.open()
            unwind.callback(self.cleanup.close)
        if self._token is not None:
            self._token.bind(loop)
        self._tell_ready(unwind)

    def _tell_ready(self, unwind: contextlib.ExitStack) -> None:
        if self._ready_file is not None and self._escalation.request is None:
            unwind.callback(self._ready_file.remove)
            try:
                self._ready_file.put()
            except OSError as error:
                raise SettingsError(
                    "ready_file", _rule_for(error), str(self._ready_file.path)
                ) from error
        if self._parent is None and is_main_thread():
            notify_manager(READY)

    def _tell_stopping(self) -> None:
        """Before anything else: whoever sends work looks here. In any thread."""
        if self._ready_file is not None:
            self._ready_file.remove()
        if self._parent is None and self._thread == threading.main_thread().ident:
            notify_manager(STOPPING)

    def _find_place(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say to the supervisor in whose block this one is entered, if any, that it is there."""
        around = _current.get()
        if around is None or not around.is_open:
            return
        self._around = around
        if around._loop is loop:
            self._parent = around
            around._children.add(self)
            return
        self._host_task = SPAWNED.get()
        around._guests.enter(self)
        self._hosts.add(around._guests)
        if around._escalation.request is not None:
            self.follow(around._escalation.request, around.rung, around._guests)

    def _leave_family(self) -> None:
        _current.set(self._around)
        if self._parent is not None:
            self._parent._children.discard(self)
            self._parent.wake()
        for guests in list(self._hosts):  # one may tell it meanwhile, in another thread
            guests.leave(self)

    async def __aexit__(
        self,
        typ: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Wait until nothing is at work, and put everything back.

        Returns:
            Whether the exception was that of a stop.

        Raises:
            ExceptionGroup: A spawned task failed, and nobody looked at it.
            UsageError: An agent or a tool of one of its runs leaves it, for whose end it waits.
        """
        if any(run.is_inside for run in self._runs):
            raise UsageError(
                f"{self!r} is left by an agent or a tool of one of its own runs, for whose end it "
                "waits; call stop() there, and let the code that has entered the block leave it"
            )
        self._state = _State.LEAVING
        body = cast(HostTask, self._body)
        is_ours = body.is_own(error, self._escalation.request)
        if error is not None and not is_ours:
            self.stop(_describe(error))
        try:
            await self._until_idle(body)
            if self._must_sweep() and not self.cleanup.ends_with_program:
                self._begin_to_end_offspring()
                await self._until_idle(body)
        finally:
            body.take_back()
            self._state = _State.CLOSED
            self._escalation.close()
            self._results.close()
            self._unwind.close()
        self._raise_failures(is_first=error is None or is_ours)
        return is_ours

    def _raise_failures(self, *, is_first: bool) -> None:
        """Raise the failures that nobody has looked at; log them where another error comes out."""
        # asyncio's own mark; asked only now, for who awaits a task wakes later than we do.
        unseen = [task for task in self._failed if getattr(task, "_log_traceback", False)]
        errors = [error for task in unseen if isinstance(error := task.exception(), Exception)]
        if errors and is_first:
            raise ExceptionGroup("spawned tasks failed", errors)
        for error in errors:
            reporter.event("spawned task failed", level=logging.ERROR, exc_info=error)

    async def _until_idle(self, body: HostTask) -> None:
        """Wait for what is at work; a cancellation meanwhile is raised when that is over."""
        outside: asyncio.CancelledError | None = None
        is_first = True
        with contextlib.ExitStack() as waiting_on:
            while is_first or (self._has_to_stay(body) and not self._is_spent):
                try:
                    if is_first:
                        is_first = False
                        await asyncio.sleep(0)  # a task that was just created starts its run
                    else:
                        await self._change(body)
                except asyncio.CancelledError as error:
                    if not body.is_own(error, self._escalation.request):
                        if outside is None:
                            waiting_on.enter_context(shielded())
                        outside = error
                        self.stop("The block was cancelled while it was being left")
                    body.take_back()
                self.wake()
        if outside is not None:
            raise outside

    def _has_to_stay(self, body: HostTask) -> bool:
        """Whether something is at work; or a reader of others', whom a stop gives its result."""
        if self._is_working() or self._guests.are_open:
            return True
        is_stopping = Rung.RUNNING < self.rung < Rung.ABANDON
        return is_stopping and self._results.is_read_by_others(body.task)

    async def _change(self, body: HostTask) -> None:
        assert self._changed is not None
        self._changed.clear()
        # From CANCEL on each was told to stop: a thousand that end one by one are not asked again.
        for run in list(self._runs) if self.rung < Rung.CANCEL else ():
            if not run.is_read_by_others(body.task):
                run.stop("Nobody waits for it")
        if self._has_to_stay(body):
            await self._changed.wait()

    # -- as the process sees it ---------------------------------------------------------------

    @property
    def handled(self) -> frozenset[int]:
        """The signals that it wants to hear of."""
        return self._handled

    def on_signal(self, number: int, at: float) -> None:
        """A signal has arrived, by the ladders' clock; in the watchdog's thread, or in the loop."""
        entry = self._signals[signal.Signals(number)]
        self._ask_by(number)
        self._clip()
        self._escalation.signal(number, entry, at)

    def hold_back(self) -> None:
        """A signal of ours has come that may not be told of yet: begin no turn; in the loop."""
        if self._escalation.request is not None and not self._is_announced:
            self._body_has_work()
            self._drain(self._escalation.request)
            for child in self._children:
                child._escalation.ask(self._escalation.request)
                child.hold_back()

    @property
    def orders(self) -> GuardState | None:
        """What a guard has to know; None where none is wanted."""
        if not self._wants_guard:
            return None
        is_endless = math.isinf(self._ladder.abandon)
        budgets = [math.inf if is_endless else self._ladder.budget(rung) for rung in Rung]
        deadline = self._escalation.climb.deadline
        if deadline is not None and self._exiting_at < math.inf:
            deadline = max(deadline, self._exiting_at)
        return GuardState(
            self.rung,
            math.inf if deadline is None else deadline,
            budgets,
            self._signals,
            self._escalation.climb.counted,
            is_program=self.cleanup.sweeps_all,
        )

    def end_with_interpreter(self) -> None:
        """Have the ladder, if there was a stop, hold for the interpreter's end too."""
        self._hold_deadline()
        if self._must_sweep():
            self.cleanup.sweep_at_exit(self._deadline())
        else:
            self.cleanup.stop_adopting()

    def _deadline(self) -> float | None:
        """When the process is to be gone, by `time.monotonic()`; None for never."""
        deadline = self._escalation.climb.deadline
        return registry.monotonic(deadline) if deadline is not None else None

    def _hold_deadline(self) -> None:
        if self._escalation.request is None or not self._may_exit():
            return
        at = registry.monotonic(self._abandon_at())
        ends = [(at, self._abandon_offspring)] if self._must_sweep() else []
        deadline = self._deadline()
        if deadline is not None:
            ends.append((deadline, self.end_process))
        if ends:
            reporter.start()
            end_with_interpreter(ends)

    def _abandon_at(self) -> float:
        """When ABANDON was entered, or would be."""
        climb = self._escalation.climb
        if climb.deadline is not None:
            return climb.deadline - self._ladder.abandon
        left = [rung for rung in Rung if climb.rung <= rung < Rung.ABANDON]
        return climb.entered_at + sum(map(self._ladder.seconds, left))

    def end_by_signal(self, number: int) -> NoReturn:
        """End the process by this signal, and what it has started."""
        if not self.cleanup.sweeps_all:
            end_by_signal(number)
        sweep = functools.partial(self.cleanup.sweep_once_more, self._deadline())
        end_by_signal(number, self.cleanup.scan, sweep, self._look_last)

    def _abandon_offspring(self) -> None:
        """The interpreter is at its end, and waits maybe for who waits for one of them."""
        self.cleanup.sweep(self._deadline())

    def _look_last(self, status: int) -> None:
        self.cleanup.final_sweep(status, can_exec=registry.has_guard)

    def clock(self) -> Callable[[int, float], float | None]:
        """A ladder of this one's making, for another process that hears the same signals.

        Returns:
            What takes a signal and the time of its arrival, and returns when the process has to be
            gone: inf for never, None where the signal asks for nothing.
        """
        climb = LadderState(self._ladder, exits=self._exits)

        def deadline(number: int, now: float) -> float | None:
            entry = self._signals.get(signal.Signals(number)) if number in self.handled else None
            if entry is None:
                return None
            climb.tick(now)
            climb.signal(number, entry, now)
            return math.inf if climb.deadline is None else climb.deadline + RESERVE_SECONDS

        return deadline

    def on_time(self, now: float) -> float | None:
        """It is now; in the watchdog's thread."""
        self._escalation.tick(now)
        self._end_offspring()
        self._pause.look(now)
        wanted = (self._escalation.free_the_loop(now), self._pause.until)
        return min((at for at in wanted if at is not None), default=None)

    def _end_offspring(self) -> None:
        """From ABANDON on: by the watchdog too, for the loop may be stuck."""
        if self.rung >= Rung.ABANDON and (self._exits or self._must_sweep()):
            self._begin_to_end_offspring()

    def _begin_to_end_offspring(self) -> None:
        deadline = self._escalation.climb.deadline
        left = math.inf if deadline is None else max(0.0, deadline - registry.now())
        self.cleanup.end_in_background(left)

    def _must_sweep(self) -> bool:
        """Whether no process that was started here is to be left."""
        return self.cleanup.sweeps_all and self._is_stopped_by_signal()

    def _is_stopped_by_signal(self) -> bool:
        return self._escalation.request is not None and self._escalation.request.signal is not None

    def _tell_of_killed(self, killed: Sequence[ProcessInfo]) -> None:
        """In any thread."""
        event, found = "killed child processes", at_work.killed(killed)
        line = f"supervisor: {event} that did not end when they were told to:"
        self._tell(event, found, line, logging.WARNING, is_loud=True)

    def _notice_soon(self) -> None:
        """In any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # closed: nobody waits
                self._loop.call_soon_threadsafe(self.wake)

    def _ask_by(self, number: int) -> None:
        name = signal.Signals(number)
        entry = self._signals[name]
        self._escalation.ask(StopRequest(reason=f"Stopped by {name.name}", rung=entry, signal=name))

    def ring(self, number: int, look: Callable[[], None]) -> None:
        """A signal is here: have `look` called by the loop; in a signal handler.

        Asked for at once: the watchdog may have read it and wait for the interpreter's lock, while
        the loop comes to what the signal has done to others.
        """
        if number in self._signals:
            self._ask_by(number)
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # closed: the watchdog looks
                self._loop.call_soon_threadsafe(look)

    def _clip(self) -> None:
        """The outermost supervisor's deadline holds."""
        deadlines = [guests.deadline() for guests in list(self._hosts)]
        if self._parent is not None:
            deadlines.append(self._parent._escalation.climb.deadline)
        for deadline in deadlines:
            if deadline is not None:
                self._escalation.climb.clip(deadline)

    @property
    def _exits(self) -> bool:
        return self._escalation.climb.exits

    # -- as its runs see it -------------------------------------------------------------------

    @property
    def yields_no_more(self) -> bool:
        """Whether CANCEL was entered; asked at each event.

        The climb is ahead of the loop, in which its steps are carried out: the watchdog may have
        made it just now, or the body, which reads what is buffered without letting the loop run.
        """
        if self._escalation.request is not None and self.rung >= Rung.CANCEL:
            return True
        return self._around is not None and self._around.yields_no_more

    def now(self) -> float:
        """Return the time by the clock of the ladders."""
        return registry.now()

    def attach(self, run: Stoppable) -> None:
        """Take in a run that starts, or raise why it must not."""
        self._check_open("a run")
        self._check_running()
        assert self._loop is not None
        refuse_eager(self._loop)
        self._runs[run] = None
        self._count(1)

    def detach(self, run: Stoppable) -> None:
        """Forget a run that is done."""
        if run in self._runs:
            del self._runs[run]
            self._count(-1)
        self.wake()

    def expect(self, run: Stoppable) -> None:
        """A run is done, and a reader has still to get its result."""
        self._results.expect(run)

    def served(self, run: Stoppable) -> None:
        """Nobody has still to get the result of this run."""
        self._results.served(run)
        if self._is_announced:
            self._body_has_work()

    def wake(self) -> None:
        """Look again at what there is to wait for."""
        if self._changed is not None:
            self._changed.set()
        if self.rung is Rung.DRAIN and self._is_announced and not self._has_to_wait():
            self._escalation.idle()
            registry.kick()
        if self._pause.until is not None and not self._at_work:
            self._pause.end()
        if self._parent is not None:
            self._parent.wake()

    def _count(self, runs: int) -> None:
        self._at_work += runs
        if self._parent is not None:
            self._parent._count(runs)

    def _is_working(self) -> bool:
        if self.cleanup.is_ending:
            return True
        runs = any(not run.is_over for run in self._runs)
        if runs or self._spawned or any(c._is_working() for c in self._children):
            return True
        return self._escalation.request is not None and self._guests.are_busy

    @property
    def is_open(self) -> bool:
        """Whether its block is; in any thread, as the next five."""
        return self._state in (_State.OPEN, _State.LEAVING)

    @property
    def is_busy(self) -> bool:
        """Whether it has work, and not only an open block."""
        if any(not run.is_over for run in list(self._runs)) or self._spawned:
            return True
        inner = any(child.is_busy for child in list(self._children))
        return inner or self._results.are_due or self._guests.are_busy

    @property
    def on_behalf_of(self) -> AnyTask | None:
        """The spawned task in whose thread it is."""
        return self._host_task() if self._host_task is not None else None

    def follow(self, request: StopRequest, rung: Rung, guests: Guests) -> None:
        """Be no less far than a supervisor of another thread, and tell it of the end."""
        self._hosts.add(guests)
        self._follow(request, rung)
        registry.kick()

    def active_agents(self) -> list[str]:
        """The names of the agents whose turn it is."""
        own = [name for run in list(self._runs) for name in run.active_agents()]
        inner = [name for child in list(self._children) for name in child.active_agents()]
        return own + inner + self._guests.active_agents()

    def tasks_at_work(self) -> Iterator[TaskInfo]:
        """The tasks that it waits for."""
        return self._suspects()

    def _is_read(self) -> bool:
        """Whether somebody is reading on his way to the result of a run that has ended."""
        return self._results.are_read or any(c._is_read() for c in self._children)

    def _is_awaited(self) -> bool:
        """Whether somebody has still to get such a result, be it that he does not read."""
        return self._results.are_due or any(c._is_awaited() for c in self._children)

    def _has_to_wait(self) -> bool:
        if self._is_working() or self._is_read() or self._guests.are_open:
            return True
        return self._body is not None and self._body.is_work and self._state is _State.OPEN

    def _spawned_ended(self, task: asyncio.Task[Any]) -> None:
        self._spawned.discard(task)
        if self._state is not _State.CLOSED and getattr(task, "_log_traceback", False):
            self._failed.append(task)
        self.wake()

    def _body_knows(self) -> None:
        if self._body is not None and self._body.is_current():
            self._body.is_work = True  # no need to interrupt it before ABANDON

    # -- the steps of a stop ------------------------------------------------------------------

    def on_first_step(self) -> None:
        """Tell who watches over the process."""
        self._stopped_at = self._escalation.climb.began_at
        if self._escalation.request is not None:
            self._guests.look(self._escalation.request, hear_signals=self._is_in_main_thread())
        self._tell_stopping()

    def end_process(self) -> None:
        """EXIT has come."""
        if self._may_exit():
            self._exit()

    def before(self, step: Step) -> None:
        """Remember what processes there are."""
        # A tool that is cancelled ends its child; the child's own would be found no more.
        if self.cleanup.sweeps_all or (step.rung is Rung.CANCEL and self._exits):
            self.cleanup.scan()

    def _may_exit(self) -> bool:
        # A guest in another thread, or inside another supervisor's block, ends nothing.
        return self._parent is None and self._is_in_main_thread()

    def _is_in_main_thread(self) -> bool:
        return self._thread in (None, threading.main_thread().ident)

    def carry_out(self, step: Step) -> None:
        """Do what a step says."""
        if self._state is _State.CLOSED or self._escalation.request is None:
            return
        self._tell_guests(step, self._escalation.request)
        self._announce()
        if step.rung is Rung.EXIT or step.move is Move.SPENT:
            self._spend()
        elif step.move is Move.AGAIN:
            self._strike()
        else:
            self._say(step, self._escalation.request)
            for child in list(self._children):
                child._follow(self._escalation.request, step.rung)
            self._enter(step.rung, self._escalation.request)
        self.wake()

    def _follow(self, request: StopRequest, rung: Rung) -> None:
        """Be no less far than the supervisor around this one."""
        self._escalation.ask(request)
        self._clip()
        self._escalation.go_to(rung)

    def _tell_guests(self, step: Step, request: StopRequest) -> None:
        if step.move is Move.ENTER and step.rung < Rung.EXIT:
            self._guests.tell(request, step.rung, hear_signals=self._is_in_main_thread())

    def _announce(self) -> None:
        if self._is_announced:
            return
        self._is_announced = True
        self._body_has_work()
        self._results.watch()
        for waiter in self._stop_waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._call_back()

    def _body_has_work(self) -> None:
        """A body whose run the stop is to end has that run's result to go on with."""
        had_work = self._is_working() or self._results.is_handing_over or self._guests.had_work
        if self._body is not None and had_work:
            self._body.is_work = True

    def _call_back(self) -> None:
        while self._callbacks and self._escalation.request is not None:
            callback = self._callbacks.pop(0)
            try:
                callback(self._escalation.request)
            except Exception as error:  # noqa: BLE001 - an observer must not keep the stop
                reporter.event("on_stop callback failed", level=logging.ERROR, exc_info=error)

    def _enter(self, rung: Rung, request: StopRequest) -> None:
        if rung >= Rung.CANCEL:
            self._pause.begin(self._at_work, registry.now())
        enter = {Rung.DRAIN: self._drain, Rung.CANCEL: self._cancel, Rung.ABANDON: self._abandon}
        enter[rung](request)

    def _drain(self, request: StopRequest) -> None:
        for run in list(self._runs):
            run.drain(request)

    def _cancel(self, request: StopRequest) -> None:
        spared = self._spared()
        self._asked_at = registry.now()
        for run in list(self._runs):
            run.cancel(request)
        if self._token is not None:
            self._token.cancel(request.reason)
        for task in self._spawned - spared:
            cancel(task)
        if self._body is not None and self._body.task not in spared:
            self._cancel_body()

    def _spared(self) -> set[AnyTask | None]:
        """The tasks that CANCEL leaves alone: who has a run's result to go on with."""
        spared: set[AnyTask | None] = {reader for run in self._runs for reader in run.readers}
        spared |= self._results.readers | self._guests.hosts
        body = self._body
        if body is not None and (body.is_work or self._is_working() or self._is_awaited()):
            spared.add(body.task)
        return spared.union(*(child._spared() for child in self._children))

    def _strike(self) -> None:
        for run in list(self._runs):
            run.cancel_again()

    def _abandon(self, request: StopRequest) -> None:
        self._report_left("still at work as the stop is abandoned")
        self._asked_at = self._asked_at or registry.now()
        for run in list(self._runs):
            run.abandon(request)
        for task in self._spawned:
            cancel(task)
        self._cancel_body()

    def _spend(self) -> None:
        """The ladder has ended, and the process is not ours to end: leave what refuses."""
        self._is_spent = True
        self._report_left("refused to stop", level=logging.ERROR)
        seconds = self._ladder.cancel + self._ladder.abandon
        for run in list(self._runs):
            run.give_up(seconds)

    # -- who is still at work -----------------------------------------------------------------

    def _suspects(self) -> Iterator[TaskInfo]:
        """The tasks that it waits for; in any thread."""
        now = registry.now()
        asked = now - self._asked_at if self._asked_at is not None else None
        for run in list(self._runs):
            if not run.is_over:
                yield from run.tasks_at_work(asked)
        for task in list(self._spawned):
            yield TaskInfo(task, "spawned", asked=asked)
        for child in list(self._children):
            yield from child._suspects()
        yield from self._guests.tasks_at_work()
        body = self._body
        if body is not None and body.task is not None and self._state is not _State.CLOSED:
            since = body.cancelled_at
            asked = now - since if since is not None else None
            yield TaskInfo(body.task, "the body of the block", asked=asked)
        for run in list(self._runs):  # who only waits for one refuses nothing
            yield from (TaskInfo(task=reader) for reader in run.readers)

    def _report_left(self, event: str, level: int = logging.WARNING) -> None:
        found = at_work.gather(self._suspects, self._loop, self.cleanup.children)
        if any(finding.kind != "thread" for finding in found.shown):
            line = f"supervisor: {event}, {self._age():.1f} s after it was asked for:"
            self._tell(event, found, line, level, is_loud=self._exits and self._may_exit())

    def on_stuck(self) -> None:
        """The loop is blocked at ABANDON: tell by what."""
        if self._parent is None and self._loop is not None and not self._loop.is_closed():
            found = at_work.blocker(self._suspects, self._loop, self._thread)
            line = f"supervisor: the event loop is blocked, {self._age():.1f} s after the stop"
            self._tell("event loop blocked", found, line, logging.WARNING, is_loud=self._exits)

    def _tell(
        self, event: str, found: Findings, line: str, level: int, *, is_loud: bool, **facts: Any
    ) -> None:
        request = self._escalation.request
        at_work.tell(
            event,
            found,
            line=line,
            level=level,
            is_loud=is_loud,
            rung=self.rung.name,
            reason=request.reason if request is not None else None,
            seconds=self._age(),
            **facts,
        )

    def _age(self) -> float:
        """Seconds since a stop was asked for."""
        return registry.now() - self._stopped_at if self._stopped_at is not None else 0.0

    def _cancel_body(self) -> None:
        if self._state is _State.OPEN and self._body is not None:
            self._body.cancelled_at = self._body.cancelled_at or registry.now()
            self._body.cancel()

    def _exit(self) -> None:
        # Late, if at all: from here on the report has its time.
        self._exiting_at = registry.now() + REPORT_SECONDS
        registry.tell_guard()
        request = self._escalation.request
        why = request.reason if request is not None else "Stopped"
        line = f"supervisor: {why}; something refused to stop, ending the process (status {FORCED})"
        exit_now(FORCED, lambda: self._last_words(line), lambda: self._look_last(FORCED))

    def _last_words(self, line: str) -> None:
        """In a thread of its own, which is not waited for long."""
        reporter.write(f"{line}\n")
        victims = at_work.killed(self.cleanup.kill())
        found = victims + at_work.gather(self._suspects, self._loop, whole=True)
        line = "supervisor: still at work at the end:"
        self._tell("forced end", found, line, logging.ERROR, is_loud=True, status=FORCED)
        reporter.flush(REPORT_SECONDS)

    # -- what it says -------------------------------------------------------------------------

    def _say(self, step: Step, request: StopRequest) -> None:
        reporter.event(f"entered {step.rung.name}", reason=request.reason, cause=step.cause)
        if request.signal is None or self._loop is None:
            return
        if self._around is not None:  # which names our speakers in its own line
            return
        if not reporter.has_reader:
            return
        has_ctrl_c = signal.SIGINT in self._signals
        line = sentence(step, request, self.active_agents(), self._ladder, has_ctrl_c=has_ctrl_c)
        if line is not None:
            self._loop.call_later(_SAY_SECONDS, self._say_if_still_true, step.rung, line)

    def _say_if_still_true(self, rung: Rung, line: str) -> None:
        # Of a stop that is over by then it would be the last thing to be read, and false.
        if self.rung is rung and self._is_working():
            reporter.say(line)

    # -- checks -------------------------------------------------------------------------------

    def _check_open(self, what: str) -> None:
        if self._state not in (_State.OPEN, _State.LEAVING):
            raise UsageError(
                f"{what} needs an open Supervisor, and this one is {self._state.value}; "
                "use it inside `async with Supervisor() as sup:`"
            )
        if threading.get_ident() != self._thread or asyncio.get_running_loop() is not self._loop:
            raise UsageError(
                f"{what} belongs to the event loop of its Supervisor; make one in this loop"
            )

    def _check_running(self) -> None:
        if self._escalation.request is not None:
            raise Stopped(self._escalation.request)
        if self._around is not None:
            self._around._check_running()


class _Beat:
    """Looks a few times a second whether the bridge is still in place."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer = loop.call_later(_BEAT_SECONDS, self._beat)

    def _beat(self) -> None:
        registry.hold()
        self._timer = self._loop.call_later(_BEAT_SECONDS, self._beat)

    def stop(self) -> None:
        self._timer.cancel()


def _signals(
    given: Mapping[signal.Signals | int | str, Rung | str] | None,
) -> Mapping[signal.Signals, Rung]:
    stdin_is_tty = sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()
    parsed = parse_signals(given, stdin_is_tty=stdin_is_tty)
    if given is not None:
        return parsed
    # Ignored by whoever started the process (nohup, `&` in a shell script): it stays so.
    kept = (number for number in parsed if signal.getsignal(number) != signal.SIG_IGN)
    return {number: parsed[number] for number in kept}


def _ready_file(path: str | os.PathLike[str] | None) -> ReadyFile | None:
    if path is None:
        return None
    if not isinstance(path, str | os.PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise SettingsError("ready_file", "give the path of a file", path)
    return ReadyFile(path)


def _rule_for(error: OSError) -> str:
    """What to do about a ready file that cannot be written."""
    why = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"make room on that disk, or name a file on another one ({why})"
    return f"name a file in a folder that exists and can be written to ({why})"


def _describe(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "The block was cancelled"
    return f"The block raised {type(error).__name__}"


@functools.cache  # once in a process
def _say_guest() -> None:
    reporter.event(
        "no signal handlers installed: this is not the main thread; "
        "a Supervisor in the main thread, or stop(), will stop this one"
    )


@functools.cache  # once in a process for the same ones
def _say_blocked(numbers: frozenset[int]) -> None:
    if numbers:
        names = ", ".join(signal.Signals(number).name for number in sorted(numbers))
        line = (
            f"supervisor: blocked in the main thread, and cannot stop this program: {names}; "
            "unblock with signal.pthread_sigmask(), use supervisor.run(), or leave out of signals="
        )
        reporter.event("blocked signals", level=logging.WARNING, signals=names)
        reporter.write(f"{line}\n")  # terminal or not: a service that is deaf has none

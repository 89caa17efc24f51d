"""The public class: a thin front over the parts of a stop.

`scope.py` is what stops together; `block.py` is how the block is entered and left; `escalation.py`
is one stop in progress, and `steps.py` what each of its steps does; `process_end.py` is what a stop
does to the process.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterable, Callable, Coroutine, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from supervisor._core.errors import UsageError
from supervisor._core.events import Rung, StopRequest
from supervisor._core.settings import Children, Ladder, parse_rung, parse_timeout
from supervisor._process.exit import exit_status
from supervisor._supervisor import settings
from supervisor._supervisor.parts import Parts
from supervisor._supervisor.tokens import token_of

if TYPE_CHECKING:
    from supervisor._autogen.adapter import AnyToken, Runnable, Task
    from supervisor._autogen.messages import Event, TaskResult
    from supervisor._autogen.token import SupervisedToken
    from supervisor._autogen.upstream.workers import Servable
    from supervisor._core.run import Run

T = TypeVar("T")


class Supervisor:
    """Runs AutoGen teams so that they can be stopped: at once, in order, within a deadline.

    It is an async context manager, to be used once. In the main thread it handles signals while its
    block is open. In another thread it installs nothing, and obeys a supervisor of the main thread.

    When the block is left, nothing that was started in it is at work any more. A stop is never
    raised as an exception: the block ends, and the program goes on after it.

    Args:
        ladder: The seconds of each rung. If the environment has `SUPERVISOR_GRACE`, that is the
            whole budget instead.
        signals: The signals that stop, each with the rung at which it enters the ladder. A signal
            may be given by its name ("SIGTERM"). None means SIGTERM (on Windows SIGBREAK, too) at
            DRAIN, SIGINT at CANCEL, and SIGHUP at CANCEL if stdin is a terminal, except those that
            were ignored when the process started. `{}` installs nothing.
        exits: Whether the process is ended at the deadline if something refuses to stop. None: if a
            signal has requested the stop. True: at any stop, as under `supervisor.run`. False:
            never; what refuses is quarantined and left, and the process goes on. None means False
            in an interactive interpreter (`python -i`, IPython, a notebook) and under a debugger.
        guard: Whether a separate process ends this one at the deadline if C code holds the GIL, so
            that the supervisor cannot run; the default under `supervisor.run` only. Only in the
            main thread. It starts when the block is entered, which takes as long as starting
            Python. It does not go with `exits=False`.
        ready_file: A file that exists from the moment at which the block is open until a stop is
            first requested, for a readiness probe. systemd is notified of both moments, too, if it
            has set `NOTIFY_SOCKET`.
        children: Which of the processes that the program has started are ended by a stop by a
            signal, in order or forced. "own": all but those that have made themselves daemons, the
            default under `supervisor.run`. "end": daemons, too; on Linux the process adopts orphans
            for that. "leave", the default in a block: before ABANDON, only those of AutoGen's local
            code executor; from ABANDON on, all but daemons, unless the process is never ended.
        fast_path: Whether streamed events take the fast path on the runtimes that AutoGen's teams
            make for themselves: nothing is prepared for logs and traces that nobody reads, and
            chunks go directly to the output where nobody could notice. False leaves AutoGen's
            runtimes as they are.
        interactive: Whether SIGINT (Ctrl-C) ends the runs only, for a program with a prompt. Each
            run is cancelled and returns its result; the block and its body go on, new runs may
            start, and spawned tasks and `serve()` are left alone. SIGINT never ends the process.
            The rung that `signals` gives for it has no meaning. Other signals stop as always. Once
            the body has ended, SIGINT stops what the block still waits for.

    Raises:
        SettingsError: A setting has a value that it cannot have.

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
        exits: bool | None = None,
        guard: bool | None = None,
        ready_file: str | os.PathLike[str] | None = None,
        children: Children | None = None,
        fast_path: bool = True,
        interactive: bool = False,
    ) -> None:
        self._parts = Parts(
            settings.parse(
                ladder=ladder,
                signals=signals,
                exits=exits,
                guard=guard,
                ready_file=ready_file,
                children=children,
                fast_path=fast_path,
                interactive=interactive,
            )
        )
        self._parts.scope.nesting.supervisor = self

    def __repr__(self) -> str:
        return repr(self._parts.scope)

    # -- what it shows ------------------------------------------------------------------------

    @property
    def ladder(self) -> Ladder:
        """The seconds of each rung that are in force."""
        return self._parts.stop.ladder

    @property
    def rung(self) -> Rung:
        """How far the stop has gone."""
        return self._parts.stop.rung

    @property
    def stop_request(self) -> StopRequest | None:
        """The first request to stop: reason, signal, time. None while running."""
        return self._parts.stop.request

    @property
    def quarantined(self) -> tuple[Runnable, ...]:
        """The teams that refused to stop; they cannot be used until they have ended."""
        found = (run.quarantined for run in list(self._parts.scope.runs))
        return tuple(cast("Runnable", thing) for thing in found if thing is not None)

    @property
    def exit_status(self) -> int:
        """The status to end the process with: 128 + n if signal n has stopped it, else 0."""
        request = self.stop_request
        return 0 if request is None or request.signal is None else exit_status(request.signal)

    @property
    def token(self) -> SupervisedToken:
        """A `CancellationToken` for calls of your own. It is cancelled at CANCEL.

        Cancelling it requests a stop. It may be cancelled from any thread.

        If the supervisor is interactive, SIGINT cancels the present token, too. From then on this
        is a new one, so read it for each call.
        """
        return token_of(self._parts.scope, self.stop)

    # -- what it does -------------------------------------------------------------------------

    def stream(
        self,
        team: Runnable,
        task: Task | None = None,
        *,
        cancellation_token: AnyToken | None = None,
        output_task_messages: bool = True,
        timeout: float | None = None,
    ) -> Run[Event, TaskResult]:
        """Run a team or an agent on a task.

        The run starts when it is first awaited or iterated. A stopped run returns a `TaskResult`
        with every message so far and a `stop_reason` that names the stop.

        Args:
            team: Anything with AutoGen's `run_stream`.
            task: What `run_stream` takes: a string, a message, messages, or None to go on.
            cancellation_token: A token of yours that ends the run with `CancelledError`.
            output_task_messages: Whether the task's own messages are among the events.
            timeout: Seconds after which the run is stopped, with the reason "Stopped after 60 s".

        Returns:
            A coroutine object that can also be iterated; see `Run`.

        Raises:
            UsageError: Called outside the block.
            TypeError: `team` cannot be run.
            SettingsError: `timeout` is no number of seconds.
        """
        from supervisor._supervisor.runs import run_of

        scope = self._parts.scope
        scope.check_open("stream()")
        is_ours = cancellation_token is scope.token
        is_ours = is_ours or scope.interrupts.has_cancelled(cancellation_token)
        return run_of(
            scope,
            team,
            task,
            cancellation_token=None if is_ours else cancellation_token,
            output_task_messages=output_task_messages,
            timeout=timeout,
            fast_path=self._parts.settings.fast_path,
        )

    def iterate(
        self,
        source: AsyncIterable[T],
        *,
        timeout: float | None = None,
        boundary: Callable[[T], bool] | None = None,
    ) -> Run[T, list[T]]:
        """Run anything else that `async for` takes: an async generator, another framework's stream.

        Iterated, the run yields the items of the source and keeps none of them. Awaited, it returns
        a list of them. A stop ends the source as it ends a team. In DRAIN it is closed after the
        item that is being made. At CANCEL its tasks are cancelled, and the loop over the run ends.

        Args:
            source: What to iterate. It is closed by its `aclose()` or `close()`, if it has one.
            timeout: Seconds after which the run is stopped, with the reason "Stopped after 60 s".
            boundary: Whether DRAIN may close the source after this item; None: after each.

        Returns:
            A coroutine object that can be iterated as well; see `Run`.

        Raises:
            UsageError: Called outside the block; or the source is a generator that has been begun.
            TypeError: `source` cannot be iterated.
            SettingsError: `timeout` is no number of seconds.

        Example:
            ```python
            async with Supervisor() as sup:
                async for page in sup.iterate(pages()):
                    print(page)
            ```
        """
        from supervisor._core.iterator import IteratorAdapter
        from supervisor._core.run import Run

        scope = self._parts.scope
        scope.check_open("iterate()")
        adapter = IteratorAdapter(source, boundary=boundary)
        return Run(scope, adapter, timeout=parse_timeout(timeout))

    async def serve(self, runtime: Servable) -> StopRequest:
        """Host a worker: serve a runtime until a stop is requested, and stop it in order.

        DRAIN accepts no further message and lets those being handled finish. CANCEL cancels their
        handlers. ABANDON stops the runtime even if something is still at work. The sender of a
        request that is not handled gets an error. AutoGen cannot start a gRPC worker again.

        Args:
            runtime: A `GrpcWorkerAgentRuntime`, a `GrpcWorkerAgentRuntimeHost` or a
                `SingleThreadedAgentRuntime`. It is started if it is not running yet.

        Returns:
            The request to stop.

        Raises:
            UsageError: Called outside the block.
            Stopped: A stop was requested earlier; the runtime is stopped all the same.
            TypeError: The runtime is of another kind.

        Example:
            ```python
            async with Supervisor() as sup:
                await sup.serve(worker)
            ```
        """
        from supervisor._autogen.worker_adapter import serve

        self._parts.scope.check_open("serve()")
        return await serve(self._parts.scope, runtime)

    def spawn(self, coro: Coroutine[Any, Any, T], *, name: str | None = None) -> asyncio.Task[T]:
        """Start a task of yours that a stop ends, too.

        The block waits for it. A stop lets it finish in DRAIN and cancels it at CANCEL. A task that
        waits for a run goes on with the run's result instead, and is cancelled at ABANDON. If the
        task fails and nobody reads its exception, the block raises it in an `ExceptionGroup`.

        Args:
            coro: The coroutine to run.
            name: The task's name, for reports.

        Raises:
            UsageError: Called outside the block.
            Stopped: A stop was requested.
        """
        scope = self._parts.scope
        try:
            scope.check_open("spawn()")
            scope.check_running()
        except BaseException:
            coro.close()
            raise
        return scope.spawned.start(coro, name)

    def stop(self, reason: str = "Stopped", rung: Rung | str = Rung.CANCEL) -> None:
        """Request a stop; from any thread, from a signal handler, as often as you like.

        If the block is not entered yet, it will end at its first `await`. If it was left, nothing
        happens.

        Args:
            reason: The reason, for `TaskResult.stop_reason`.
            rung: Where to enter the ladder, or how far to climb if a stop is in progress. It may be
                given by its name ("DRAIN").

        Raises:
            SettingsError: There is no such rung.
            UsageError: For RUNNING, and for EXIT if the supervisor may not end the process.
        """
        self._parts.escalation.request_stop(reason, parse_rung("rung", rung))

    def dump(self) -> str:
        """Return a report, for a person, of what is at work now.

        It shows each run, each task with its stack, and the stack of each thread. Nothing is
        written anywhere.
        """
        return self._parts.report.dump()

    async def wait_stop(self) -> StopRequest:
        """Wait until a stop is requested.

        A body that waits here is not cancelled at CANCEL: it knows of the stop, and has until
        ABANDON to end in order.

        Raises:
            UsageError: Called outside the block.
        """
        scope = self._parts.scope
        scope.check_open("wait_stop()")
        if scope.body is not None:
            scope.body.note_that_it_knows()
        return await scope.announcement.wait()

    def on_stop(self, callback: Callable[[StopRequest], object]) -> None:
        """Call a function in the loop when a stop is first requested.

        If a stop was requested already, it is called soon. What it raises is logged, and the next
        function is called all the same.
        """
        self._parts.scope.announcement.add_callback(callback)

    def on_interrupt(self, callback: Callable[[int], object]) -> None:
        """Call a function in the loop at each SIGINT of an interactive supervisor.

        It gets the number of runs that the SIGINT ends: 0 if none was active. (In a block that is
        kept open over the inputs of a prompt, Ctrl-C is the prompt's then.) SIGINTs that come
        within 0.05 s, or while the loop is blocked, count as one. What it raises is logged.

        Raises:
            UsageError: The supervisor is not interactive.
        """
        if not self._parts.settings.interactive:
            raise UsageError(
                "on_interrupt() needs Supervisor(interactive=True); "
                "here SIGINT stops the program, which on_stop() tells of"
            )
        self._parts.scope.interrupts.add_callback(callback)

    # -- the block ----------------------------------------------------------------------------

    async def __aenter__(self) -> Supervisor:
        """Install the signal handlers, and open the block.

        Raises:
            UsageError: Entered twice; or the loop has an eager task factory.
        """
        self._parts.block.enter()
        return self

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
        return await self._parts.block.leave(error)


def parts_of(sup: Supervisor) -> Parts:
    """Return what a supervisor consists of: for `run`, which begins before the block."""
    return sup._parts  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

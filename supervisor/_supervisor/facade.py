"""The public class: a thin front over the parts of a stop.

`scope.py` is what stops together; `block.py` is how the block is entered and left; `escalation.py`
is one stop in progress, and `steps.py` what each of its steps does; `process_end.py` is what a stop
does to the process.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterable, Callable, Collection, Coroutine, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from supervisor._core.events import Rung, StopRequest
from supervisor._core.settings import Children, Ladder, parse_rung, parse_timeout
from supervisor._supervisor import settings
from supervisor._supervisor.keeping import LEASE_SECONDS
from supervisor._supervisor.parts import Parts
from supervisor._supervisor.tokens import token_of
from supervisor._supervisor.view import SupervisorView

if TYPE_CHECKING:
    from supervisor._autogen.adapter import AnyToken, Runnable, Task
    from supervisor._autogen.messages import Event, TaskResult
    from supervisor._autogen.token import SupervisedToken
    from supervisor._autogen.upstream.workers import Servable
    from supervisor._checkpoints.settings import Durability
    from supervisor._checkpoints.store import CheckpointStore
    from supervisor._core.run import Run
    from supervisor._supervisor.kept import Runs

T = TypeVar("T")


class Supervisor(SupervisorView):
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
        checkpoints: Where runs with an id are kept, so that they go on in another process: a URL,
            as "sqlite:///runs.db" or "postgresql://host/database", or a `CheckpointStore`.
        durability: When what is new of them is written. "async": after each turn, beside what
            follows, and before a tool starts. "sync": no message is shown before it is written.
            "exit": at the end only, so that a kill loses all of it.
        lease: For how many seconds a process owns a run whose death nobody sees; 15 by default. It
            is renewed until ABANDON.
        idempotent: The names of tools that may be called again for the same call, where a process
            has died before their result was written.

    Raises:
        SettingsError: A setting has a value that it cannot have.

    Example:
        ```python
        async with Supervisor() as sup:
            result = await sup.stream(team, "Write a haiku")
        ```
    """

    def __init__(  # noqa: PLR0913 - each setting by its name
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
        checkpoints: str | CheckpointStore | None = None,
        durability: Durability = "async",
        lease: float = LEASE_SECONDS,
        idempotent: Collection[str] = (),
    ) -> None:
        parsed = settings.parse(
            ladder=ladder,
            signals=signals,
            exits=exits,
            guard=guard,
            ready_file=ready_file,
            children=children,
            fast_path=fast_path,
            interactive=interactive,
            checkpoints=checkpoints,
            durability=durability,
            lease=lease,
            idempotent=idempotent,
        )
        self._parts = Parts(parsed)
        self._parts.scope.nesting.supervisor = self

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
        id: str | None = None,  # noqa: A002 - the word that users have for it
        wait: float | None = None,
        allow_changed: bool = False,
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
            id: Keeps the run in the store, under this name. The same call in a later process goes
                on where the run stood, or returns its result if it has ended. The task is not given
                again, and may be left out. See `docs/guide/checkpoints.md`.
            wait: Seconds to wait for a run that another process has. None: for the lease, where the
                store cannot see whether that process lives, else 0.
            allow_changed: Whether to go on with a run of another task, or of a team of another
                shape.

        Returns:
            A coroutine object that can also be iterated; see `Run`.

        Raises:
            UsageError: Called outside the block; or with an id, and without `checkpoints`.
            TypeError: `team` cannot be run.
            SettingsError: A value cannot be.
        """
        from supervisor._supervisor.runs import kept_run_of, run_of

        scope = self._parts.scope
        scope.check_open("stream()")
        kept = kept_run_of(self._parts.keeping, id, wait, allow_changed=allow_changed)
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
            kept=kept,
        )

    @property
    def runs(self) -> Runs:
        """The runs that are kept in the store: to list, load, cancel and forget them.

        Raises:
            UsageError: Used outside the block; `supervisor.checkpoints.open` needs none.
        """
        from supervisor._supervisor.kept import Runs

        self._parts.scope.check_open("runs")
        return Runs(self._parts.keeping)

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

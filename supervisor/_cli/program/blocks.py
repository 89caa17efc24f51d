"""The supervised blocks of a program that knows nothing of them.

There is one around what a loop runs, from its start to its end. A run of a team or an agent finds
the one of its loop. If nobody has seen how the loop was started, the run opens one for itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from supervisor._cli.program.keeper import Keeper
from supervisor._core.asyncio_tools import refuse_eager
from supervisor._core.errors import Stopped, UsageError
from supervisor._core.events import Rung
from supervisor._process.children import ChildProcesses
from supervisor._reports import log_events
from supervisor._reports.log import reporter
from supervisor._signals.handlers import Handler, is_main_thread
from supervisor._signals.registry import registry
from supervisor._signals.wakeup import WakeupFd
from supervisor._supervisor import nesting
from supervisor._supervisor.facade import Supervisor, parts_of

if TYPE_CHECKING:
    from supervisor._autogen.adapter import Runnable
    from supervisor._cli.program.program_stop import ProgramStop
    from supervisor._core.events import StopRequest
    from supervisor._core.tasks import AnyTask
    from supervisor._supervisor.parts import Parts
    from supervisor._supervisor.scope import StopScope

T = TypeVar("T")

Stream = AsyncGenerator[Any, None]


class Blocks:
    """All blocks of a program.

    Args:
        stop: The program's stop.
        is_limited: Whether a time limit may stop it.
    """

    def __init__(self, stop: ProgramStop, *, is_limited: bool) -> None:
        self.stop = stop
        self.children = ChildProcesses(is_program=True)
        """What the program starts, from its first line on."""
        self._is_limited = is_limited
        self._pid = os.getpid()
        self._routes = False
        self._keeper: Keeper | None = None
        self._open: dict[asyncio.AbstractEventLoop, Block[Any]] = {}
        nesting.on_enter = self._give_way

    @property
    def is_forked(self) -> bool:
        """Whether this is a child of the program: it is stopped by the program's own end."""
        return os.getpid() != self._pid

    def new(self) -> Block[Any]:
        """Return a block; to be called where its loop is started."""
        made = Supervisor(exits=self._is_limited or None, guard=True, children="own")
        if self._keeper is None and is_main_thread():
            self._keep_watch(Keeper(parts_of(made).escalation))
        return Block(self, made)

    def _keep_watch(self, keeper: Keeper) -> None:
        has_started_any = self.children.may_exist()
        registry.add(keeper)
        self._keeper = keeper
        if not has_started_any:  # a guard that is slow to leave our session is none of them
            self.children = ChildProcesses(is_program=True)

    def keep(self, parts: Parts | None) -> None:
        """Have the guard go by the stop of a block of the main thread; None: there is none."""
        assert self._keeper is not None, "it was made with that thread's first block"
        self._keeper.current = parts.escalation if parts is not None else None
        registry.update_guard()

    def request_stop(self, reason: str) -> bool:
        """Stop what is in the blocks, in any thread; return whether there was one."""
        found = list(self._open.values())
        for block in found:
            block.supervisor.stop(reason, Rung.CANCEL)
        return bool(found)

    def note_open(self, block: Block[Any]) -> None:
        """Have the runs in the current loop find a block."""
        self._open[asyncio.get_running_loop()] = block

    def note_closed(self, block: Block[Any]) -> None:
        """Have runs find it no more."""
        for loop in [loop for loop, each in list(self._open.items()) if each is block]:
            del self._open[loop]

    def _give_way(self, scope: StopScope) -> None:
        """Leave a loop to the supervisor that the program itself enters there."""
        block = self._open.get(asyncio.get_running_loop())
        if block is not None and not block.is_of(scope):
            block.withdraw()

    @contextlib.contextmanager
    def nested(self, loop: asyncio.AbstractEventLoop, body: Any) -> Generator[Any]:
        """Have a stop end what is awaited on top of a block's body, as under `nest_asyncio`.

        Args:
            loop: Runs it.
            body: What is awaited; the context manager gives what to await instead.
        """
        block = self._open.get(loop)
        running = asyncio._get_running_loop()  # noqa: SLF001 - public, and documented
        if block is None or running is not loop:
            yield body
            return
        task = asyncio.ensure_future(body, loop=loop)
        block.nested.append(task)
        try:
            yield task
        finally:
            block.nested.remove(task)

    # -- runs -----------------------------------------------------------------------------------

    def stream(self, runnable: Runnable, options: dict[str, Any]) -> Stream | None:
        """Return a supervised run of a team or an agent; None to leave it as it is."""
        if self.is_forked or self._is_supervised_by_itself or is_eager(asyncio.get_running_loop()):
            return None
        return self._stream(runnable, options)

    @property
    def _is_supervised_by_itself(self) -> bool:
        """Whether the caller is in the block of a supervisor of the program's own."""
        scope = nesting.innermost()
        blocks = list(self._open.values())
        return scope is not None and not any(block.is_of(scope) for block in blocks)

    async def _stream(self, runnable: Runnable, options: dict[str, Any]) -> Stream:
        loop = asyncio.get_running_loop()
        if loop not in self._open:
            await asyncio.sleep(0)  # a task that was made before its loop ran comes before ours
        block = self._open.get(loop)
        if block is not None:
            async for event in block.supervisor.stream(runnable, **options):
                yield event
            return
        if self.stop.request is not None:
            raise Stopped(self.stop.request)
        async with self._around_run() as sup:
            async for event in sup.stream(runnable, **options):
                yield event

    @contextlib.asynccontextmanager
    async def _around_run(self) -> AsyncGenerator[Supervisor]:
        block = self.new()
        try:
            async with block.opened() as sup:
                yield sup
        finally:
            block.conclude()

    def route_runs(self) -> None:
        """Have AutoGen's runs come here; AutoGen was just imported."""
        if self._routes:  # ours imports the rest of AutoGen, which calls this again
            return
        self._routes = True
        from supervisor._autogen import routing

        routing.route_teams(self.stream)
        routing.route_agents(self.stream)


class Block(Generic[T]):
    """The block around what a loop runs.

    Args:
        blocks: Those of the program.
        supervisor: What supervises it.
    """

    def __init__(self, blocks: Blocks, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        self.has_returned = False
        """Whether the body has come to its own end."""
        self.was_stopped = False
        """Whether the program was stopped in it; known after `conclude`."""
        self.nested: list[asyncio.Future[Any]] = []
        """What is awaited on top of the body, which waits for it; the innermost last."""
        self._blocks = blocks
        self._parts = parts_of(supervisor)
        self._parts.cleanup.ends_with_program = True
        self._parts.cleanup.children = blocks.children
        self._handlers = _handlers_of_program(self._parts.settings.handled)

    def is_of(self, scope: StopScope) -> bool:
        """Return whether this is its block."""
        return self._parts.scope is scope

    async def run(self, body: Awaitable[T], *, leaves_tasks: bool = True) -> T | None:
        """Run a body in the block.

        Args:
            body: What to await.
            leaves_tasks: Whether tasks of the loop go on after the body; else their runs end.
        """
        if is_eager(asyncio.get_running_loop()):
            self.has_returned = True
            return await body
        value: T | None = None
        async with self.opened():
            value = await body
            self.has_returned = True
            if not leaves_tasks:
                self._cancel_readers()
        return value

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncGenerator[Supervisor]:
        """Open the block, for the runs of this loop too."""
        async with self.supervisor:
            self._blocks.note_open(self)
            self._parts.scope.announcement.add_rung_callback(self._cancel_nested)
            if is_main_thread():
                self._blocks.keep(self._parts)
                registry.call_too(self._handlers)
                self.supervisor.on_stop(self._note_handled)
            yield self.supervisor

    def _note_handled(self, request: StopRequest) -> None:
        """Give the body until ABANDON if the program handles the signal: it knows of the stop."""
        body, number = self._parts.scope.body, request.signal
        if body is not None and number is not None and self._is_handled(number):
            body.is_work = True

    def _is_handled(self, number: int) -> bool:
        if number in self._handlers:
            return True
        # Set while the loop runs; ours is called by none of them.
        return not isinstance(getattr(signal.getsignal(number), "__self__", None), WakeupFd)

    def _cancel_nested(self, rung: Rung) -> None:
        """Cancel what keeps the body from noticing that it was cancelled, as the body is."""
        told: list[asyncio.Future[Any]] = []
        if rung is Rung.CANCEL:  # the innermost alone: those below may still clean up
            told = [task for task in self.nested[-1:] if task not in self.readers]
        elif rung >= Rung.ABANDON:
            told = self.nested[::-1]
        for task in told:
            task.cancel()

    def _cancel_readers(self) -> None:
        """Do what `asyncio.run` does next, before the block waits for the runs of these tasks."""
        for task in self.readers - {asyncio.current_task()}:
            task.cancel()

    @property
    def readers(self) -> set[AnyTask]:
        """The tasks that wait for a run of this block."""
        return {task for run in self._parts.scope.runs for task in run.readers}

    def withdraw(self) -> None:
        """Close the block from inside, if there is nothing to supervise yet."""
        if self._parts.block.withdraw():
            self._blocks.note_closed(self)
            if is_main_thread():
                self._blocks.keep(None)
                registry.call_too({})

    def conclude(self) -> None:
        """Give the signals back, once the loop has stopped; note whether the program was."""
        self._blocks.note_closed(self)
        if is_main_thread():
            registry.call_too({})
            self.was_stopped = self._blocks.stop.take(self._parts)
            self._blocks.keep(self._blocks.stop.parts)
        else:
            self.was_stopped = self._parts.stop.request is not None

    @property
    def interruption(self) -> BaseException:
        """What to raise where the stop has cancelled the body."""
        if is_main_thread():
            return self._blocks.stop.interruption()
        request = self._parts.stop.request
        assert request is not None
        return Stopped(request)


def is_eager(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether the tasks of a loop run before they can be followed."""
    try:
        refuse_eager(loop)
    except UsageError as error:
        reporter.event(log_events.NOT_SUPERVISED, line=f"supervisor: {error}")
        return True
    return False


def _handlers_of_program(signals: frozenset[int]) -> dict[int, Handler]:
    """Return the handlers that the program itself has set."""
    if not is_main_thread():
        return {}
    found = {number: signal.getsignal(number) for number in signals}
    return {
        number: handler
        for number, handler in found.items()
        if callable(handler) and not _is_pythons(handler)
    }


def _is_pythons(handler: object) -> bool:
    """Return whether it is Python's own handler of SIGINT, or the one that `Runner` sets."""
    function = cast(Any, handler).func if isinstance(handler, functools.partial) else None
    is_runners = getattr(function, "__qualname__", "") == "Runner._on_sigint"
    return is_runners or handler is signal.default_int_handler

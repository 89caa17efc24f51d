"""What starts event loops: whatever it is, what it runs becomes the body of a supervised block.

`asyncio.run`, `uvloop.run` and `anyio.run` all go through `asyncio.Runner.run`. Older programs call
`run_until_complete` or `run_forever` of a loop: asyncio's is written in Python, and uvloop's class
is a Python subclass of its C one. `nest_asyncio` puts its own functions in their place, at any
time: they are wrapped as soon as it has. The program's choice of a loop is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import sys
import threading
from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakSet

from supervisor._cli.program.blocks import is_eager
from supervisor._core.asyncio_tools import cancel
from supervisor._core.errors import Stopped
from supervisor._signals.handlers import is_main_thread
from supervisor._signals.registry import registry

if TYPE_CHECKING:
    from supervisor._cli.program.blocks import Block, Blocks

_MARK: Final = "_supervisor_entry"
_CLEANUP: Final = ("shutdown_asyncgens", "shutdown_default_executor")

Function = Callable[..., Any]


class Entries:
    """Wraps what starts loops.

    Args:
        blocks: The program's.
    """

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._local = threading.local()
        self._interrupted: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
        self.has_started = False
        """Whether the program has started a loop, or tried to."""

    # -- putting the wrappers in place ----------------------------------------------------------

    def wrap_asyncio(self) -> None:
        """Wrap asyncio's own; again, where somebody has replaced them."""
        _wrap(asyncio.Runner, "run", self._runner_run)
        _wrap(asyncio.Runner, "close", self._runner_close)
        self.wrap_loop(asyncio.BaseEventLoop)
        for name in ("SelectorEventLoop", "ProactorEventLoop"):
            if hasattr(asyncio, name):
                self.wrap_loop(getattr(asyncio, name))

    def wrap_loop(self, cls: type) -> None:
        """Wrap the methods by which a class of loops is run."""
        _wrap(cls, "run_until_complete", self._run_until_complete)
        _wrap(cls, "run_forever", self._run_forever)
        _wrap(cls, "add_signal_handler", self._add_signal_handler)

    def wrap_uvloop(self) -> None:
        """Wrap uvloop's, as it was imported."""
        cls: Any = sys.modules["uvloop"].Loop
        for name in ("run_until_complete", "run_forever", "add_signal_handler"):
            setattr(cls, name, _delegate(cls, name))
        self.wrap_loop(cls)

    def wrap_nest(self, name: str) -> None:
        """Wrap what nest_asyncio puts in place, whenever the program has it do that."""
        module: Any = sys.modules[name]
        apply = module.apply

        @functools.wraps(apply)
        def applied(*args: Any, **options: Any) -> None:
            apply(*args, **options)
            self.wrap_asyncio()
            _wrap(asyncio, "run", self._nested_run)

        module.apply = applied

    # -- the wrappers ---------------------------------------------------------------------------

    def _runner_run(self, stock: Function) -> Function:
        def run(runner: Any, coro: Any, **options: Any) -> Any:
            self.has_started = True
            if self._passes or not asyncio.iscoroutine(coro):
                return stock(runner, coro, **options)
            start, loop = functools.partial(stock, runner, **options), _loop_of(runner)
            if self._blocks.stop.has_come and loop in self._interrupted:
                return self._clean_up(start, coro)
            self._refuse(coro, loop)
            return self._supervise(start, coro, loop, leaves_tasks=False)

        return run

    def _nested_run(self, stock: Function) -> Function:
        def run(main: Any, **options: Any) -> Any:
            self.has_started = True
            if self._passes or not asyncio.iscoroutine(main):
                return stock(main, **options)
            self._refuse(main)
            return self._supervise(functools.partial(stock, **options), main)

        return run

    def _runner_close(self, stock: Function) -> Function:
        def close(runner: Any) -> None:
            with self._entered():
                stock(runner)

        return close

    def _run_until_complete(self, stock: Function) -> Function:
        def run_until_complete(loop: Any, future: Any) -> Any:
            self.has_started = True
            if self._passes or _is_cleanup(future) or not _belongs(future, loop):
                with self._entered(), self._blocks.nested(loop, future) as awaited:
                    return stock(loop, awaited)  # it calls `run_forever`
            if self._blocks.stop.has_come and loop in self._interrupted:
                return self._clean_up(functools.partial(stock, loop), future)
            self._refuse(future, loop)
            return self._supervise(functools.partial(stock, loop), future, loop)

        return run_until_complete

    def _run_forever(self, stock: Function) -> Function:
        def run_forever(loop: Any) -> None:
            self.has_started = True
            is_cleanup = self._blocks.stop.has_come and loop in self._interrupted
            if self._passes or is_cleanup or is_eager(loop):
                stock(loop)
                return
            self._refuse(None, loop)
            self._supervise_forever(stock, loop)

        return run_forever

    def _add_signal_handler(self, stock: Function) -> Function:
        def add_signal_handler(*args: Any) -> None:
            stock(*args)
            if not self._blocks.is_forked:
                registry.reclaim()  # it has taken the wakeup fd

        return add_signal_handler

    # -- what they have in common ----------------------------------------------------------------

    @property
    def _passes(self) -> bool:
        """Whether an entry is left alone: inside another one, or the program's own supervisor."""
        if getattr(self._local, "is_entered", False) or self._blocks.is_forked:
            return True
        if asyncio._get_running_loop() is not None:  # noqa: SLF001 - public, and documented
            return True
        return is_main_thread() and registry.is_in_use

    @contextlib.contextmanager
    def _entered(self) -> Generator[None]:
        before = getattr(self._local, "is_entered", False)
        self._local.is_entered = True
        try:
            yield
        finally:
            self._local.is_entered = before

    def _refuse(self, body: object, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Raise once more what has ended an earlier body: the program is being stopped."""
        if not self._blocks.stop.has_come or not is_main_thread():
            return
        if asyncio.iscoroutine(body):
            body.close()
        if loop is not None:
            self._interrupted.add(loop)
        raise self._blocks.stop.interruption()

    def _supervise(
        self,
        start: Function,
        body: Awaitable[Any],
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        leaves_tasks: bool = True,
    ) -> Any:
        """Start a loop, with a block around what it runs; return or raise what comes of it."""
        block = self._blocks.new()
        coro = block.run(body, leaves_tasks=leaves_tasks)
        with self._entered():
            try:
                value = start(coro)
            finally:
                _close_unstarted(coro, body)
                self._conclude(block, loop)
        if block.has_returned or not block.was_stopped:
            return value
        raise block.interruption

    def _conclude(self, block: Block[Any], loop: asyncio.AbstractEventLoop | None) -> None:
        block.conclude()
        if loop is not None and block.was_stopped and not block.has_returned:
            self._interrupted.add(loop)  # what the program does with it now is clean-up

    def _clean_up(self, start: Function, future: Any) -> Any:
        """Let the program clean up by the loop that was interrupted, until the deadline."""
        try:
            with self._entered():
                return start(future)
        except Stopped:  # it has begun a run
            raise self._blocks.stop.interruption() from None

    def _supervise_forever(self, stock: Function, loop: asyncio.AbstractEventLoop) -> None:
        block = self._blocks.new()
        with self._entered():
            task = loop.create_task(block.run(_until_stopped(block)))
            task.add_done_callback(lambda _: loop.stop())
            try:
                stock(loop)
                is_stopped = task.done()
                if not is_stopped:  # the program has stopped its loop by itself
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        loop.run_until_complete(task)
            finally:
                block.has_returned = False  # such a body has no end of its own
                self._conclude(block, loop)
        if is_stopped and block.was_stopped:
            raise block.interruption


async def _until_stopped(block: Block[Any]) -> None:
    """Wait for a stop; then for the tasks that get a result of it, and end all others."""
    await block.supervisor.wait_stop()
    if readers := block.readers - {asyncio.current_task()}:
        await asyncio.wait(readers)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    cancel(*others)
    await asyncio.gather(*others, return_exceptions=True)


def _loop_of(runner: asyncio.Runner) -> asyncio.AbstractEventLoop | None:
    """Return the loop of a runner, which makes it now; None if it is closed."""
    try:
        return runner.get_loop()
    except RuntimeError:
        return None


def _close_unstarted(*coros: object) -> None:
    """Close coroutines that nobody has started, nor will: where starting the loop has failed."""
    for coro in coros:
        if inspect.iscoroutine(coro) and inspect.getcoroutinestate(coro) == inspect.CORO_CREATED:
            coro.close()


def _wrap(owner: Any, name: str, make: Callable[[Function], Function]) -> None:
    stock: Any = owner.__dict__.get(name)
    if stock is None or hasattr(stock, _MARK):
        return
    wrapped: Any = functools.update_wrapper(make(stock), stock)
    setattr(wrapped, _MARK, True)
    setattr(owner, name, wrapped)


def _delegate(cls: type, name: str) -> Function:
    """Return a method that calls the inherited one, which is C code and cannot be replaced."""

    def method(self: Any, *args: Any) -> Any:
        inherited = cast(Any, super(cls, self))
        return getattr(inherited, name)(*args)

    method.__name__ = name
    return method


def _belongs(future: Any, loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether a loop can run this; else it has an error of its own to raise."""
    if loop.is_closed() or not (asyncio.isfuture(future) or inspect.isawaitable(future)):
        return False
    return not asyncio.isfuture(future) or future.get_loop() is loop


def _is_cleanup(future: object) -> bool:
    """Return whether it is what ends a loop in order."""
    return asyncio.iscoroutine(future) and getattr(future, "__name__", "") in _CLEANUP

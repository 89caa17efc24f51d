"""`run(main)`: a whole program under a supervisor, from before its imports to its exit status."""

from __future__ import annotations

import asyncio
import faulthandler
import inspect
import os
import signal
import sys
from collections.abc import Callable, Collection, Coroutine, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

from supervisor._core.errors import SettingsError, UsageError
from supervisor._core.events import Rung
from supervisor._core.settings import Children, Ladder
from supervisor._reports import log_events
from supervisor._reports.log import has_stderr, reporter
from supervisor._signals import guard_state, interpreters
from supervisor._signals.handlers import is_main_thread
from supervisor._signals.masks import unblocked
from supervisor._signals.registry import registry
from supervisor._supervisor.escalation import deadline_clock
from supervisor._supervisor.facade import Supervisor, parts_of
from supervisor._supervisor.keeping import LEASE_SECONDS
from supervisor._supervisor.parts import Parts
from supervisor._supervisor.settings import SupervisorSettings, parse_exits

if TYPE_CHECKING:
    from supervisor._checkpoints.settings import Durability
    from supervisor._checkpoints.store import CheckpointStore

T = TypeVar("T")


def run(  # noqa: PLR0913 - each setting by its name
    main: Callable[[Supervisor], Coroutine[Any, Any, T]],
    *,
    loop: Literal["uvloop", "asyncio"] = "uvloop",
    stop_status: int | None = None,
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
) -> T | None:
    """Run a program's main coroutine under a supervisor, and end the process as it should end.

    The signal handlers are installed first, before uvloop is imported and the loop is made. Signals
    that the parent process has blocked are unblocked while the handlers are installed. If the
    process dies by a signal, the handlers stay until it is gone. If `run` returns or raises,
    everything is as found. The deadline of a stop holds in any case, even while the interpreter
    waits for threads at its end.

    A stop by a signal leaves no process behind that the program has started, except daemons: see
    `children` of `Supervisor`.

    As PID 1, in a container, the process first splits in two. The program becomes a child with a
    pid of its own. The parent passes signals on, reaps orphans, and ends with the child's status.
    If threads or child processes exist already it does not split, and logs why;
    `python -m supervisor exec` always can.

    | how it ended | exit status |
    |---|---|
    | `main` returned, or `sup.stop()` was called | `run` returns; 0 if nothing follows |
    | `main` raised | `run` raises the exception: 1 |
    | `main` raised `SystemExit` | its code |
    | stopped by signal n | death by that signal, after clean-up and `atexit`; 128 + n as PID 1 |
    | the same, with `stop_status` | `stop_status` |
    | something refused to stop | 137; death by SIGKILL if C code held the GIL |
    | any of these, with `exits=False` | `run` returns, or raises what `main` raised |

    Args:
        main: A coroutine function that takes the `Supervisor`, whose block is open.
        loop: The event loop. On Windows it is asyncio's in any case.
        stop_status: The exit status for a stop by a signal, 0 to 255, instead of death by it.
        ladder: The seconds of each rung, as for `Supervisor`.
        signals: Which signals stop, each with the rung at which it enters the ladder, as for
            `Supervisor`.
        exits: Whether the process is ended at the deadline if something refuses to stop. None means
            True, except in an interactive interpreter (`python -i`, IPython) and under a debugger,
            where it means False. False: `run` never ends the process. What refuses is left, and
            after a stop by a signal `run` returns, too; `sup.exit_status` has the status. A task
            that refuses keeps the loop from its end, as under `asyncio.run`: then one more Ctrl-C
            raises `KeyboardInterrupt`.
        guard: Whether a separate process ends this one at the deadline if C code holds the GIL.
            None: where the process may be ended.
        ready_file: A file that exists from the moment at which the block is open until a stop is
            first requested.
        children: Which of the processes that the program has started a stop by a signal ends:
            "own" (all but those that have made themselves daemons), "end" (daemons, too), "leave".
            None means "own", and "leave" where `run` never ends the process.
        fast_path: Whether streamed events take the fast path on the runtimes that AutoGen's teams
            make for themselves.
        interactive: Whether SIGINT (Ctrl-C) ends the runs only, and never the process, as for
            `Supervisor`.
        checkpoints: Where runs with an id are kept, as for `Supervisor`.
        durability: When what is new of them is written, as for `Supervisor`.
        lease: For how many seconds this process owns a run, unless that is renewed.
        idempotent: The names of tools that may be called again for the same call.

    Returns:
        What `main` returned; None if it was stopped before it could return.

    Raises:
        UsageError: Called while a loop is running in this thread, or in another thread than the
            main one; or `main` is no coroutine function.
        SettingsError: A setting has a value that it cannot have.

    Example:
        ```python
        async def main(sup):
            await sup.stream(team, "Count from 1 to 20")

        run(main)
        ```
    """
    _check(main, loop, stop_status)
    may_exit = parse_exits(exits)
    is_guest = exits is False or (exits is None and interpreters.is_interactive())
    sup = Supervisor(
        ladder=ladder,
        signals=signals,
        exits=True if may_exit is None else exits,
        guard=True if guard is None and may_exit is not False else guard,
        ready_file=ready_file,
        children="own" if children is None and not is_guest else children,
        fast_path=fast_path,
        interactive=interactive,
        checkpoints=checkpoints,
        durability=durability,
        lease=lease,
        idempotent=idempotent,
    )
    parts = parts_of(sup)
    parts.cleanup.ends_with_program = not is_guest
    if os.getpid() == 1:
        _split(parts.settings)
    try:
        registry.add(parts.escalation)
        with (
            _reports_on_demand(sup, parts.settings.handled) as reported,
            unblocked(parts.settings.handled.union(reported)),
        ):
            with _handlers_as_found():
                value = _run_in_loop(sup, main, loop)
            if not is_guest:
                _die_if_stopped(parts, stop_status)
    finally:
        registry.leave(parts.escalation)
        parts.end.with_interpreter()
    if not is_guest:
        _die_if_stopped(parts, stop_status)  # in the last moment before the handlers were back
    if _stopped_by(parts) is not None and (stop_status is not None or not is_guest):
        sys.exit(stop_status)
    return value


def split_if_init(sup: Supervisor) -> None:
    """As PID 1, split in two before anything else is started; see `run`."""
    if os.getpid() == 1:
        _split(parts_of(sup).settings)


def run_to_end(
    sup: Supervisor,
    main: Callable[[Supervisor], Coroutine[Any, Any, None]],
    conclude: Callable[[BaseException | None], int],
    *,
    loop: Literal["uvloop", "asyncio"] = "uvloop",
) -> NoReturn:
    """Run a program's main coroutine, and end the process with a status that is known at its end.

    As `run`, except that the handlers stay until the process is gone, however it ends.

    Args:
        sup: The supervisor, which was not entered yet.
        main: A coroutine function that takes it, while its block is open.
        conclude: Called when all is done, threads and `atexit` handlers included, with what the
            loop has raised; returns the exit status, or -n for death by signal n.
        loop: The event loop.
    """
    parts = parts_of(sup)
    parts.cleanup.ends_with_program = parts.end.sweeps_at_any_stop = True
    raised: BaseException | None = None
    try:
        registry.add(parts.escalation)
        with (
            _reports_on_demand(sup, parts.settings.handled) as reported,
            unblocked(parts.settings.handled.union(reported)),
        ):
            try:
                with _handlers_as_found():
                    _run_in_loop(sup, main, loop)
            except BaseException as error:  # noqa: BLE001 - it is the concluder's
                raised = error
            status = parts.end.in_order(lambda: conclude(raised))
            _ignore(parts.settings.handled)
    finally:
        registry.leave(parts.escalation)
        parts.end.with_interpreter()
    sys.exit(status)


def _ignore(signals: Collection[int]) -> None:
    """Let no signal change a status that was told already."""
    for number in signals:
        signal.signal(number, signal.SIG_IGN)


def _die_if_stopped(parts: Parts, stop_status: int | None) -> None:
    number = _stopped_by(parts)
    if number is not None and stop_status is None:
        # Where it is no listener any more: the deadline holds until the process is gone.
        registry.add(parts.escalation)
        parts.end.by_signal(number)


def _stopped_by(parts: Parts) -> signal.Signals | None:
    return parts.stop.request.signal if parts.stop.request is not None else None


def _split(settings: SupervisorSettings) -> None:
    if sys.platform == "win32":
        return
    from supervisor._process import init

    why = init.obstacle()
    if why is None:
        init.split(deadline_clock(settings))
        return
    doing = "use `python -m supervisor exec -- COMMAND`, or call run() before they are started"
    reporter.event(log_events.NOT_SPLIT, line=f"PID 1: {why}; {doing}", why=why)


def _run_in_loop(
    sup: Supervisor, main: Callable[[Supervisor], Coroutine[Any, Any, T]], loop: str
) -> T | None:
    async def body() -> T | None:
        try:
            async with sup:
                return await main(sup)
            return None  # stopped: the block swallows that
        finally:
            parts = parts_of(sup)
            parts.end.bound_what_refuses()
            if parts.stop.never_exits:  # nothing bounds the loop's end but one more Ctrl-C
                registry.leave(parts.escalation)

    with asyncio.Runner(loop_factory=_loop_factory(loop)) as runner:
        return runner.run(body())


def _loop_factory(loop: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if loop == "asyncio" or sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


@contextmanager
def _reports_on_demand(sup: Supervisor, handled: Collection[int]) -> Generator[Collection[int]]:
    """Write what is at work on SIGUSR1; on SIGQUIT the stacks, before it ends the process.

    Only where nobody else handles these signals. SIGUSR1 needs the interpreter; SIGQUIT does not,
    nor does the signal on which the guard has the stacks written before it kills. The context
    manager gives the signals that it handles.
    """
    if sys.platform == "win32":
        yield ()
        return

    def tell(_number: int, _frame: object) -> None:
        # Made in the thread that writes: here it would interrupt who may hold a lock.
        reporter.write(lambda: f"{sup.dump()}\n")

    chained = {signal.SIGQUIT: True, guard_state.STACKS_SIGNAL: False} if has_stderr() else {}
    dumping = [n for n in chained if n > 0 and signal.getsignal(n) is signal.SIG_DFL]
    has_usr1 = signal.SIGUSR1 not in handled
    has_usr1 = has_usr1 and signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    for number in dumping:
        faulthandler.register(number, file=2, chain=chained[number])
    if has_usr1:
        reporter.write("")  # its thread runs from here on, for a handler must not start one
        signal.signal(signal.SIGUSR1, tell)

    def take_back() -> None:
        for number in dumping:
            faulthandler.unregister(number)
        if has_usr1 and signal.getsignal(signal.SIGUSR1) is tell:
            signal.signal(signal.SIGUSR1, signal.SIG_DFL)

    try:
        with registry.forks.undone_in_children(take_back):
            yield [*dumping, *[signal.SIGUSR1] * has_usr1]
    finally:
        take_back()


@contextmanager
def _handlers_as_found() -> Generator[None]:
    """Put back handlers that belong to a loop that is closed by now.

    uvloop leaves its own bound when it is closed, and then the signal does nothing any more.
    """
    found = {number: signal.getsignal(number) for number in signal.valid_signals()}
    try:
        yield
    finally:
        for number, handler in found.items():
            owner = getattr(signal.getsignal(number), "__self__", None)
            if isinstance(owner, asyncio.AbstractEventLoop) and owner.is_closed():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _check(main: object, loop: str, stop_status: object) -> None:
    if not inspect.iscoroutinefunction(main):
        raise UsageError(f"run() needs a coroutine function, not {main!r}; pass `main`, not main()")
    if loop not in ("uvloop", "asyncio"):
        raise SettingsError("loop", "give 'uvloop' or 'asyncio'", loop)
    if stop_status is not None and not (isinstance(stop_status, int) and 0 <= stop_status <= 255):  # noqa: PLR2004
        raise SettingsError("stop_status", "give an exit status, 0 to 255", stop_status)
    if not is_main_thread():
        raise UsageError(
            "run() handles signals, which only the main thread can; "
            "in another thread use `async with Supervisor() as sup:` instead"
        )
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UsageError(
        "run() makes a loop of its own, and one is running here already; "
        "use `async with Supervisor() as sup:` instead"
    )

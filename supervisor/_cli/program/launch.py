"""Starts a program, and ends the process as the program has ended."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import functools
import signal
import sys
import threading
from typing import TYPE_CHECKING

from supervisor._cli.errors import CommandError
from supervisor._cli.options import install
from supervisor._cli.program.blocks import Blocks
from supervisor._cli.program.entries import Entries
from supervisor._cli.program.hint import hint_at_team
from supervisor._cli.program.late_imports import LateImports
from supervisor._cli.program.main_module import MainModule
from supervisor._cli.program.program_stop import TIMED_OUT, ProgramStop
from supervisor._cli.run.time_limit import start_timer
from supervisor._cli.tracebacks import hide_our_frames
from supervisor._core.errors import Stopped
from supervisor._process.standard_streams import write_stderr
from supervisor._runner import split_if_init
from supervisor._signals.registry import registry
from supervisor._supervisor.facade import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from supervisor._cli.options import Settings
    from supervisor._cli.targets import Target


def launch(target: Target, arguments: Sequence[str], settings: Settings) -> int:
    """Run a program to its end.

    Args:
        target: As for `main`.
        arguments: As for `main`.
        settings: As for `main`.

    Returns:
        The exit status, where nothing else has ended the process.

    Raises:
        CommandError: There is no such program, or a setting is not for programs.
        KeyboardInterrupt: It has ended by Ctrl-C; its traceback was shown.
        SystemExit: It has called `sys.exit`.
    """
    if settings.loop is not None:
        raise CommandError("--loop is for teams and team files; a program chooses its own loop")
    install(settings)
    split_if_init(Supervisor())
    stop = ProgramStop()
    blocks = Blocks(stop, is_limited=settings.timeout is not None)
    entries = Entries(blocks)
    _watch(entries, blocks)
    error: BaseException | None = None
    try:
        module = MainModule(target.place, arguments, is_module=target.word == "-m")
        with _limited(settings.timeout, blocks):
            module.run()
    except CommandError:
        raise
    except BaseException as raised:  # noqa: BLE001 - shown below, as Python would
        error = raised
    else:
        if not (entries.has_started or stop.has_come):
            hint_at_team(module.module, target)
    if not stop.has_come:
        return _end_as_python(error)
    return _end_after_stop(error, stop, settings.stop_status)


def _watch(entries: Entries, blocks: Blocks) -> None:
    """Supervise loops, and the runs in them, from now on."""
    entries.wrap_asyncio()
    calls: dict[str, Callable[[], None]] = {"uvloop": entries.wrap_uvloop}
    for name in ("nest_asyncio", "nest_asyncio2"):
        calls[name] = functools.partial(entries.wrap_nest, name)
    for name in ("autogen_agentchat.agents", "autogen_agentchat.teams"):
        calls[name] = blocks.route_runs
    LateImports(calls).install()
    threading.excepthook = functools.partial(_show_in_thread, threading.excepthook)


@contextlib.contextmanager
def _limited(seconds: float | None, blocks: Blocks) -> Generator[None]:
    if seconds is None:
        yield
        return

    def stop() -> None:
        blocks.stop.is_timed_out = True
        if not blocks.request_stop(f"Stopped after {seconds:g} s"):
            _interrupt()

    timer = start_timer(seconds, stop)
    try:
        yield
    finally:
        timer.cancel()


def _interrupt() -> None:
    """Do what Ctrl-C would: no loop runs."""
    if sys.platform == "win32":
        _thread.interrupt_main()
        return
    main = threading.main_thread().ident
    assert main is not None, "it was started"
    signal.pthread_kill(main, signal.SIGINT)


# -- the end ------------------------------------------------------------------------------------


def _end_as_python(error: BaseException | None) -> int:
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        raise error
    _show(error)
    if isinstance(error, KeyboardInterrupt):
        raise error  # of which nothing more is shown
    return 1


def _end_after_stop(error: BaseException | None, stop: ProgramStop, stop_status: int | None) -> int:
    if isinstance(error, SystemExit):
        if error.code is not None and error not in stop.raised:
            _let_go(stop)
            raise error
    elif error is not None and not isinstance(error, KeyboardInterrupt | asyncio.CancelledError):
        _show(error)
    number = stop.signal
    if number is not None and stop_status is None and stop.parts is not None:
        registry.add(stop.parts.escalation)  # the deadline holds until the process is gone
        stop.parts.end.by_signal(number)
    _let_go(stop)
    return TIMED_OUT if stop.is_timed_out else (stop_status or 0)


def _let_go(stop: ProgramStop) -> None:
    """Have the deadline hold for the interpreter's own end, which comes now."""
    if stop.parts is not None:
        registry.leave(stop.parts.escalation)
        stop.parts.end.with_interpreter()


def _show_in_thread(
    show: Callable[[threading.ExceptHookArgs], object], args: threading.ExceptHookArgs
) -> None:
    error = args.exc_value
    if isinstance(error, Stopped):  # its loop was stopped: nothing is shown of the main one either
        return
    if error is not None:
        hide_our_frames(error)
        args = threading.ExceptHookArgs((args.exc_type, error, error.__traceback__, args.thread))
    show(args)


def _show(error: BaseException) -> None:
    hide_our_frames(error)
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except SystemExit:
        raise
    except BaseException as of_hook:  # noqa: BLE001 - shown, as Python would
        hide_our_frames(of_hook)
        write_stderr("Error in sys.excepthook:\n")
        sys.__excepthook__(type(of_hook), of_hook, of_hook.__traceback__)
        write_stderr("\nOriginal exception was:\n")
        sys.__excepthook__(type(error), error, error.__traceback__)

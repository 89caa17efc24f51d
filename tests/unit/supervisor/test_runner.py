"""`supervisor.run`: what it refuses, and the status of a real process for each way to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from supervisor import Rung, SettingsError, Supervisor, UsageError, run

ROOT = Path(__file__).parents[2]


async def _main(_sup: Supervisor) -> None:
    """End at once."""


@pytest.mark.parametrize("main", [len, None, print])
def test_what_is_no_coroutine_function_is_refused(main: Any) -> None:
    """`run` wants the function, and says so before anything is installed."""
    with pytest.raises(UsageError, match="coroutine function"):
        run(main)


def test_a_called_main_is_refused() -> None:
    """`run(main())` is the mistake that everybody makes once."""
    coro: Any = _main(Supervisor())
    with pytest.raises(UsageError, match=r"not main\(\)"):
        run(coro)
    coro.close()


def test_a_loop_that_is_unknown_is_refused() -> None:
    """A misspelt loop is an error that names both."""
    with pytest.raises(SettingsError, match="'uvloop' or 'asyncio'"):
        run(_main, loop="trio")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("status", [-1, 256, 1.5])
def test_a_status_that_cannot_be_is_refused(status: Any) -> None:
    """An exit status is 0 to 255."""
    with pytest.raises(SettingsError, match="stop_status"):
        run(_main, stop_status=status)


async def test_it_is_refused_where_a_loop_is_running() -> None:
    """Inside a loop the block is what to use."""
    with pytest.raises(UsageError, match="async with Supervisor"):
        run(_main)


def test_it_is_refused_in_another_thread() -> None:
    """Python would let it set no signal handler there."""
    with ThreadPoolExecutor(1) as pool, pytest.raises(UsageError, match="only the main thread"):
        pool.submit(run, _main).result()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_handler_that_main_sets_for_sigusr1_stays() -> None:
    """What `run` has set for its reports is taken back only where it still stands."""

    async def main(_sup: Supervisor) -> int:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        return 42

    found = signal.getsignal(signal.SIGUSR1)
    try:
        assert run(main, loop="asyncio", exits=False) == 42
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGUSR1, found)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_sigusr1_may_be_a_signal_that_stops() -> None:
    """Then it writes no report: it has the handler of the other signals that stop."""

    async def main(_sup: Supervisor) -> bool:
        return signal.getsignal(signal.SIGUSR1) == signal.getsignal(signal.SIGUSR2)

    stops: dict[signal.Signals | int | str, Rung | str] = {
        signal.SIGUSR1: Rung.CANCEL,
        signal.SIGUSR2: Rung.CANCEL,
    }
    assert run(main, loop="asyncio", exits=False, signals=stops)


# --- in real processes ---------------------------------------------------------------------------

PREAMBLE = """
import asyncio, atexit, os, signal, sys
import supervisor

atexit.register(print, "at exit")
"""


def outcome(script: str) -> tuple[int, str, str]:
    """Status, stdout and stderr of a script in a session of its own."""
    result = subprocess.run(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(script)],
        capture_output=True,
        check=False,
        text=True,
        timeout=20,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    return result.returncode, result.stdout, result.stderr


@pytest.mark.process
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_it_returns_what_main_returns(loop: str) -> None:
    """Ended by itself: `run` returns, the program goes on, 0."""
    script = f"""
        async def main(sup):
            return 42

        print(supervisor.run(main, loop={loop!r}))
        """
    assert outcome(script) == (0, "42\nat exit\n", "")


@pytest.mark.process
def test_what_main_raises_comes_out() -> None:
    """An exception is Python's to report: status 1. `SystemExit` has its own."""
    status, out, err = outcome(
        """
        async def main(sup):
            raise LookupError("mine")

        supervisor.run(main)
        """
    )
    assert (status, out) == (1, "at exit\n")
    assert err.endswith("LookupError: mine\n")
    script = """
        async def main(sup):
            sys.exit(7)

        supervisor.run(main)
        """
    assert outcome(script) == (7, "at exit\n", "")


@pytest.mark.process
def test_a_stop_by_code_is_no_failure() -> None:
    """`sup.stop()`: `run` returns None, the program goes on, 0."""
    script = """
        async def main(sup):
            asyncio.get_running_loop().call_soon(sup.stop, "enough")
            await asyncio.sleep(60)

        print(supervisor.run(main))
        """
    assert outcome(script) == (0, "None\nat exit\n", "")


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_stop_by_a_signal_is_death_by_it_after_clean_up(loop: str, name: str) -> None:
    """`finally` and `atexit` have run, nothing is printed on stderr, the status is the signal's."""
    script = f"""
        async def main(sup):
            try:
                os.kill(os.getpid(), signal.{name})
                await asyncio.sleep(60)
            finally:
                print("cleaned up")

        supervisor.run(main, loop={loop!r})
        print("went on")
        """
    number = {"SIGINT": 2, "SIGTERM": 15}[name]
    assert outcome(script) == (-number, "cleaned up\nat exit\n", "")


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_stop_status_of_the_users() -> None:
    """With `stop_status` a stop by a signal ends with that instead."""
    script = """
        async def main(sup):
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(60)

        supervisor.run(main, stop_status=0)
        """
    assert outcome(script) == (0, "at exit\n", "")


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_handlers_are_as_found_afterwards(loop: str) -> None:
    """Ours, and those that a loop leaves bound when it is closed."""
    script = f"""
        def handlers():
            fd = signal.set_wakeup_fd(-1)
            numbers = sorted(signal.valid_signals())
            return fd, [(number, signal.getsignal(number)) for number in numbers]

        async def main(sup):
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print)

        found = handlers()
        supervisor.run(main, loop={loop!r})
        print(handlers() == found)
        """
    assert outcome(script) == (0, "True\nat exit\n", "")


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_what_refuses_is_ended_by_the_deadline() -> None:
    """A blocked loop does not hold the exit: 137, and what blocks it on stderr."""
    status, out, err = outcome(
        """
        import contextlib
        import time

        async def main(sup):
            os.kill(os.getpid(), signal.SIGTERM)
            while True:
                with contextlib.suppress(BaseException):
                    time.sleep(60)

        ladder = supervisor.Ladder(drain=0.1, cancel=0.1, abandon=0.1)
        supervisor.run(main, loop="asyncio", ladder=ladder)
        """
    )
    assert (status, out) == (137, "")
    assert "Stopped by SIGTERM" in err
    assert "  main (<string>:" in err

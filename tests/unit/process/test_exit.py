"""The end of the process, each in a real child."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor._process import exit as exit_module
from supervisor._process.exit import exit_status
from tests.process.namespaces import UNSHARE, can_unshare

pytestmark = [pytest.mark.process]

ROOT = Path(__file__).parents[3]

PREAMBLE = """
import atexit, logging, os, signal, sys, threading, time, warnings
from supervisor._process.exit import end_by_signal, exit_now
"""

HELD_BY_ATEXIT = "atexit.register(time.sleep, 30)"


def start(script: str, *prefix: str) -> subprocess.Popen[bytes]:
    """Start a Python process in a session of its own."""
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", PREAMBLE + textwrap.dedent(script)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )


def outcome(script: str, *prefix: str) -> tuple[int, bytes, bytes]:
    """Return the status, stdout and stderr of a Python process."""
    with start(script, *prefix) as process:
        out, err = process.communicate(timeout=15)
        return process.returncode, out, err


def test_the_end_of_the_interpreter_is_bounded() -> None:
    """Neither a thread nor an `atexit` handler holds the interpreter's end beyond the deadline."""
    for held_by in ("threading.Thread(target=time.sleep, args=(30,)).start()", HELD_BY_ATEXIT):
        script = f"""
        from supervisor._process.exit import end_with_interpreter
        end_with_interpreter([(time.monotonic() + 0.2, lambda: exit_now(137))])
        {held_by}
        """
        began = time.monotonic()
        assert outcome(script)[0] == 137
        assert time.monotonic() - began < 5


def test_a_main_thread_that_goes_on_is_not_ended() -> None:
    """If the main thread goes on, the deadline passes and nothing is ended."""
    script = """
    from supervisor._process.exit import end_with_interpreter
    end_with_interpreter([(time.monotonic() + 0.1, lambda: exit_now(137))])
    time.sleep(0.4)
    atexit.register(time.sleep, 0.2)
    """
    assert outcome(script) == (0, b"", b"")


def test_the_first_of_several_deadlines_holds() -> None:
    """Of several deadlines the first that has not passed holds."""
    script = """
    from supervisor._process.exit import end_with_interpreter
    end_with_interpreter([(time.monotonic() + 30, lambda: exit_now(1))])
    end_with_interpreter([(time.monotonic() + 0.5, lambda: exit_now(2))])
    end_with_interpreter([(time.monotonic() - 1, lambda: exit_now(3))])
    atexit.register(time.sleep, 30)
    """
    assert outcome(script)[0] == 2


def test_a_forked_child_has_no_deadline() -> None:
    """A forked child may take longer at its end than the parent's deadline allows."""
    script = """
    from supervisor._process.exit import end_with_interpreter
    end_with_interpreter([(time.monotonic() + 0.1, lambda: exit_now(137))])
    warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside a thread, from 3.12 on
    if os.fork() == 0:
        atexit.register(time.sleep, 0.4)
        sys.exit(7)
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
    """
    assert outcome(script) == (0, b"7\n", b"")


def test_the_status_is_the_shells() -> None:
    """The status for a signal is 128 + its number."""
    assert exit_status(signal.SIGTERM) == 143
    assert exit_status(signal.SIGINT) == 130


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"])
def test_it_dies_by_the_signal_after_the_interpreters_end(name: str) -> None:
    """It joins threads, runs exit handlers (of logging, too), flushes stdout, and then dies."""
    script = f"""
    class Slow(logging.StreamHandler):
        def close(self):
            print("logging closed")
    logging.getLogger().addHandler(Slow())
    def finish():
        threading.main_thread().join(0.05)
        print("thread joined")
    atexit.register(print, "atexit ran")
    threading.Thread(target=finish).start()
    print("buffered")
    end_by_signal(signal.{name})
    """
    status, out, err = outcome(script)
    assert status == -getattr(signal, name)
    assert out == b"buffered\nthread joined\natexit ran\nlogging closed\n"
    assert err == b""


def test_a_blocked_and_handled_signal_ends_it_too() -> None:
    """It dies by a signal also if that is blocked and somebody handles it."""
    script = """
    signal.signal(signal.SIGTERM, lambda *_: print("handled"))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    end_by_signal(signal.SIGTERM)
    """
    assert outcome(script) == (-signal.SIGTERM, b"", b"")


def test_a_signal_without_a_deadly_default() -> None:
    """If the default action of the signal ends nothing, the status is 128 + its number."""
    assert outcome("end_by_signal(signal.SIGURG)") == (128 + signal.SIGURG, b"", b"")


def test_a_failing_exit_handler_does_not_change_the_end() -> None:
    """An exit handler that raises is reported as always, the next ones run, and it dies."""
    script = """
    atexit.register(print, "next")
    atexit.register(divmod, 1, 0)
    end_by_signal(signal.SIGTERM)
    """
    status, out, err = outcome(script)
    assert (status, out) == (-signal.SIGTERM, b"next\n")
    assert b"ZeroDivisionError" in err


def test_an_interrupt_skips_a_step() -> None:
    """A `KeyboardInterrupt` while threads are joined goes on to the exit handlers."""
    script = """
    def stay():
        while sys._current_frames()[main].f_code.co_name != "_shutdown":
            time.sleep(0.005)
        # Again and again: a signal that comes just before the main thread waits is not noticed.
        while sys._current_frames()[main].f_code.co_name == "_shutdown":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)
        time.sleep(60)
    main = threading.get_ident()
    atexit.register(print, "atexit ran")
    threading.Thread(target=stay).start()
    end_by_signal(signal.SIGTERM)
    """
    status, out, _ = outcome(script)  # 3.13 itself reports the interrupt on stderr
    assert (status, out) == (-signal.SIGTERM, b"atexit ran\n")


def test_an_interrupt_in_the_last_moment_does_not_change_the_end() -> None:
    """If an interrupt keeps it from dying by the signal, it ends with the signal's status."""
    script = """
    def interrupted(*_):
        raise KeyboardInterrupt
    signal.signal = interrupted
    end_by_signal(signal.SIGTERM)
    """
    assert outcome(script) == (143, b"", b"")


@pytest.mark.skipif(not can_unshare(), reason="needs the right to make a PID namespace")
def test_pid_1_ends_with_the_status() -> None:
    """PID 1, which no signal of its own can kill, ends with 128 + the number after clean-up."""
    script = """
    atexit.register(print, "atexit ran as", os.getpid())
    end_by_signal(signal.SIGTERM)
    """
    assert outcome(script, *UNSHARE) == (143, b"atexit ran as 1\n", b"")


def test_a_forced_end_reports_and_flushes() -> None:
    """The report is made, stdout flushed, and neither exit handlers nor other threads matter."""
    script = """
    threading.Thread(target=time.sleep, args=(60,)).start()
    atexit.register(print, "atexit ran")
    print("buffered")
    exit_now(137, lambda: print("report", file=sys.stderr))
    """
    assert outcome(script) == (137, b"buffered\n", b"report\n")


def test_a_failing_report_does_not_change_the_end() -> None:
    """A report that raises leaves the status as it is, and stdout is flushed all the same."""
    script = """
    print("buffered")
    exit_now(137, lambda: divmod(1, 0))
    """
    status, out, err = outcome(script)
    assert (status, out) == (137, b"buffered\n")
    assert b"ZeroDivisionError" in err


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_forced_end_is_not_delayed_by_a_full_pipe(stream: str) -> None:
    """With an unread, full pipe the process is gone 0.2 s after its forced end begins."""
    script = f"""
    fd = sys.{stream}.fileno()
    os.set_blocking(fd, False)
    try:
        while os.write(fd, b"x" * 65536):
            pass
    except BlockingIOError:
        pass
    os.set_blocking(fd, True)
    began = time.monotonic()
    exit_now(137, lambda: (print("report", file=sys.{stream}), time.sleep(60)))
    """
    with start(script) as process:
        began = time.monotonic()
        # The pipe stays unread until the process has ended.
        assert process.wait(10) == 137
        assert time.monotonic() - began < 5


@pytest.mark.skipif(not Path("/proc/self/syscall").exists(), reason="a fact is read there")
def test_a_forced_end_beside_a_stuck_main_thread() -> None:
    """A thread ends the process while the main one holds stdout's lock in a full pipe."""
    script = """
    def end():
        # In a system call on fd 1: the interpreter is ours, so the call has not returned.
        while open(f"/proc/self/task/{main}/syscall").read().split()[1:2] != ["0x1"]:
            time.sleep(0.005)
        exit_now(137)
    main = threading.get_native_id()
    threading.Thread(target=end).start()
    while True:
        print("x" * 65536)
    """
    with start(script) as process:
        assert process.wait(10) == 137


def test_a_hanging_report_gets_its_seconds_only() -> None:
    """The end waits for a report as long as it is told to, and no longer."""
    script = "exit_now(137, lambda: time.sleep(60), seconds=0.05)"
    began = time.monotonic()
    assert outcome(script) == (137, b"", b"")
    assert time.monotonic() - began < 5


def test_a_deadline_that_is_set_at_the_interpreters_end_holds() -> None:
    """A stop while the interpreter waits for threads already is bounded as well."""
    script = """
    from supervisor._process.exit import end_with_interpreter
    def stop():
        end_with_interpreter([(time.monotonic() + 0.1, lambda: os._exit(7))])
        time.sleep(30)
    threading._register_atexit(stop)  # in `atexit` Python 3.12 starts no thread any more
    """
    assert outcome(script) == (7, b"", b"")


def test_a_deadline_that_has_passed_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that goes on after many stops keeps nothing of them."""
    ends: dict[Callable[[], None], float] = {}
    monkeypatch.setattr(exit_module, "_ends", ends)
    monkeypatch.setattr(exit_module, "_wait_for_interpreter_end", lambda: None)
    now = time.monotonic()
    exit_module.end_with_interpreter([(now - 1, lambda: None), (now + 3600, lambda: None)])
    exit_module.end_with_interpreter([])
    assert list(ends.values()) == [now + 3600]


@pytest.mark.parametrize(("report", "err"), [("None", b""), ("say", b"report\n")])
def test_a_forced_end_without_threads_reports_itself(report: str, err: bytes) -> None:
    """Where no thread can be started, the report is made in the one that ends the process."""
    script = f"""
    def refuse(thread): raise RuntimeError("can't start new thread")
    def say(): os.write(2, b"report\\n")
    threading.Thread.start = refuse
    exit_now(137, {report})
    """
    assert outcome(script) == (137, b"", err)

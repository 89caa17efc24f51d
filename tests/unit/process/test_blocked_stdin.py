"""Ending reads of stdin: in this process, and at the end of real ones."""

from __future__ import annotations

import os
import pty
import sys
import termios
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor._process import blocked_stdin
from supervisor._process.threads import DaemonThreadPool
from tests.unit.process.calls import orphan
from tests.unit.process.pool_programs import both_loops, child, needs_proc

pytestmark = [pytest.mark.process]


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Give a pseudo-terminal: our side and the child's."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def test_unblocking_leaves_the_process_as_found(pool: DaemonThreadPool) -> None:
    """After orphans were unblocked fd 0 is the file that it was, and no fd is left open."""
    gate = threading.Event()
    call = orphan(pool, gate)

    def facts() -> tuple[int, bool, int]:
        open_files = len(list(Path("/proc/self/fd").iterdir()))
        return os.fstat(0).st_ino, os.get_inheritable(0), open_files

    before = facts()
    pool.unblock_stdin(0.01)
    assert facts() == before
    gate.set()
    assert call.result(10)


@needs_proc
@both_loops
def test_input_on_a_pipe_holds_nothing(loop: str) -> None:
    """An orphan in `input()` on a pipe neither holds nor aborts the exit, and eats no line."""
    script = """
    run(lambda: orphan(input))
    print("over", flush=True)
    print("got", input())
    """
    with child(script, loop) as made:
        made.read_until(b"over")
        made.type(b"the next line\n")
        assert made.finish() == (0, b"got the next line\n", b"")


@needs_proc
@both_loops
@pytest.mark.parametrize("reading", ["input()", "sys.stdin.readline()", "os.read(0, 9)"])
def test_the_process_exits_with_its_stdin_still_open(loop: str, reading: str) -> None:
    """The process ends by itself, with status 0, while its stdin is a silent pipe."""
    script = f"run(lambda: orphan(lambda: {reading}))"
    with child(script, loop) as made:
        assert made.finish() == (0, b"stopped\n", b"")


@needs_proc
@both_loops
@pytest.mark.parametrize("library", ["os", "readline"])
def test_input_on_a_terminal_holds_nothing(
    loop: str, library: str, terminal: tuple[int, int]
) -> None:
    """An orphan on a terminal holds nothing, and the settings are put back after readline too."""
    ours, theirs = terminal
    before = termios.tcgetattr(theirs)
    # Own terminal for the own session, as a shell would give it; stdout is the terminal too, for
    # otherwise `input()` would not use the terminal's way of reading.
    script = f"""
    import fcntl, termios, {library}
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    report = os.dup(1)
    os.dup2(0, 1)
    run(lambda: orphan(input))
    os.write(report, b"over\\n")
    line = input()
    os.write(report, f"got {{line}}\\n".encode())
    """
    with child(script, loop, theirs) as made:
        made.read_until(b"over")
        assert termios.tcgetattr(theirs) == before
        os.write(ours, b"the next line\n")
        status, out, err = made.finish()
        assert (status, out, err) == (0, b"got the next line\n", b"")


def test_a_process_in_the_background_does_not_set_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where another job has the terminal, it keeps its settings, and nobody is stopped."""
    in_foreground, was_set = [os.getpgrp() + 1], list[int]()

    def foreground(_fd: int) -> int:
        return in_foreground[-1]

    def set_attributes(fd: int, _when: int, _attributes: list[Any]) -> None:
        was_set.append(fd)

    monkeypatch.setattr(os, "tcgetpgrp", foreground)
    monkeypatch.setattr(termios, "tcsetattr", set_attributes)
    monkeypatch.setitem(sys.modules, "readline", types.ModuleType("readline"))
    blocked_stdin._put_terminal_back([])
    assert was_set == []
    in_foreground.append(os.getpgrp())
    blocked_stdin._put_terminal_back([])
    assert was_set == [0]


@needs_proc
@both_loops
def test_an_orphan_that_reads_again_does_not_abort_the_exit(loop: str) -> None:
    """A thread that goes on reading after end-of-file cannot make the exit fail."""
    script = """
    def stubborn():
        while True:
            try:
                input()
            except EOFError:
                pass
    run(lambda: orphan(stubborn))
    """
    with child(script, loop) as made:
        assert made.finish() == (0, b"stopped\n", b"")


@needs_proc
def test_orphans_of_a_loop_in_another_thread_are_unblocked() -> None:
    """Orphans are unblocked also where the loop does not run in the main thread."""
    script = """
    thread = threading.Thread(target=run, args=(lambda: orphan(input),))
    thread.start()
    thread.join()
    print("over", flush=True)
    print("got", input())
    """
    with child(script, "asyncio") as made:
        made.read_until(b"over")
        made.type(b"the next line\n")
        assert made.finish() == (0, b"got the next line\n", b"")


@needs_proc
def test_unblocking_touches_no_handler_and_no_wakeup_fd() -> None:
    """Unblocking changes no handler and writes nothing to the wakeup fd."""
    script = """
    import select, signal, socket
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno())
    before = [signal.getsignal(number) for number in signal.valid_signals()]
    call = executor.submit(input)
    while not is_blocked():
        time.sleep(0.005)
    call.cancel()
    executor.shutdown()
    assert isinstance(call.exception(0), EOFError)
    assert before == [signal.getsignal(number) for number in signal.valid_signals()]
    assert select.select([ours], [], [], 0) == ([], [], [])
    """
    with child(script, "asyncio") as made:
        assert made.finish() == (0, b"", b"")


@pytest.mark.parametrize(
    "trouble",
    ["os.close(0)", "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))"],
)
def test_shutdown_where_nothing_can_be_unblocked(trouble: str) -> None:
    """Without a stdin, or a free fd, shutdown leaves the orphan and says nothing."""
    script = f"""
    began = threading.Event()
    call = executor.submit(lambda: (began.set(), time.sleep(30)))
    began.wait()
    call.cancel()
    {trouble}
    executor.shutdown()
    print(len(executor.orphans()))
    """
    with child(script, "asyncio") as made:
        assert made.finish() == (0, b"1\n", b"")

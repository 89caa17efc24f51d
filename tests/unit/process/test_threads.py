"""The executor, in this process for its rules and in real children for the end of a process."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import os
import pty
import subprocess
import sys
import termios
import textwrap
import threading
import time
import weakref
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from supervisor._process.threads import Executor

ROOT = Path(__file__).parents[3]

# What the children share. A call "sits" once its thread is in a system call on fd 0 or 1 (GNU
# readline selects on one fd): the fact that the tests wait for, seen from outside the interpreter.
PREAMBLE = """
import asyncio, os, sys, threading, time
from supervisor._process.threads import Executor

def sits():
    for thread in threading.enumerate():
        if not thread.name.startswith("supervisor-executor"):
            continue
        with open(f"/proc/self/task/{thread.native_id}/syscall") as file:
            if file.read().split()[1:2] in (["0x0"], ["0x1"]):
                return True

async def orphan(function, *args):
    call = asyncio.create_task(asyncio.to_thread(function, *args))
    while not sits():
        await asyncio.sleep(0.005)
    call.cancel()
    try:
        await call
    except asyncio.CancelledError:
        print("stopped", flush=True)

def run(main):
    async def supervised():
        asyncio.get_running_loop().set_default_executor(executor)
        await main()
    if sys.argv[1] == "uvloop":
        import uvloop
        uvloop.run(supervised())
    else:
        asyncio.run(supervised())

executor = Executor()
"""

needs_proc = pytest.mark.skipif(
    not Path(f"/proc/self/task/{threading.get_native_id()}/syscall").exists(),
    reason="a blocked thread is recognised by /proc/.../syscall",
)
both_loops = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


class Child:
    """A Python process in a session of its own, its stdin held open."""

    def __init__(self, script: str, loop: str, stdin: int | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PREAMBLE + textwrap.dedent(script), loop],
            stdin=subprocess.PIPE if stdin is None else stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )

    def read_until(self, word: bytes) -> None:
        """Read stdout up to the line with this word."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if word in line:
                return
        pytest.fail(f"the child ended before {word!r}: {self.finish()}")

    def type(self, text: bytes) -> None:
        """Write to the pipe on its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def finish(self) -> tuple[int, bytes, bytes]:
        """Its status, and the rest of stdout and stderr; stdin stays open until it has ended."""
        status = self.process.wait(10)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        return status, self.process.stdout.read(), self.process.stderr.read()

    def close(self) -> None:
        """End it where the test has failed, and close the pipes."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


@contextlib.contextmanager
def child(script: str, loop: str, stdin: int | None = None) -> Generator[Child, None, None]:
    """Run a child, and leave none behind."""
    made = Child(script, loop, stdin)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A pseudo-terminal: our side and the child's."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


@pytest.fixture
def executor() -> Iterator[Executor]:
    """A pool of two that is shut down afterwards."""
    made = Executor(max_workers=2)
    yield made
    made.shutdown()


def a_call(pool: Executor, gate: threading.Event) -> concurrent.futures.Future[bool]:
    """A call that has begun, and that waits for the gate to open."""
    began = threading.Event()

    def work() -> bool:
        began.set()
        return gate.wait(10)

    call = pool.submit(work)
    assert began.wait(10)
    return call


def an_orphan(pool: Executor, gate: threading.Event) -> concurrent.futures.Future[bool]:
    """The same, and nobody waits for it."""
    call = a_call(pool, gate)
    assert not call.cancel()
    return call


def test_result_and_exception_arrive(executor: Executor) -> None:
    """A call's result and its exception come out of its future."""
    assert executor.submit(divmod, 7, 2).result(10) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        executor.submit(divmod, 7, 0).result(10)


async def test_serves_a_loop() -> None:
    """As a loop's default executor it blocks the loop neither in a call nor in a cancellation."""
    pool, gate, began = Executor(), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        gate.wait(10)

    asyncio.get_running_loop().set_default_executor(pool)
    assert await asyncio.to_thread(divmod, 7, 2) == (3, 1)
    stuck = asyncio.create_task(asyncio.to_thread(work))
    assert await asyncio.to_thread(began.wait, 10)
    stuck.cancel()
    await asyncio.wait([stuck])
    assert len(pool.orphans()) == 1
    assert await asyncio.to_thread(divmod, 9, 2) == (4, 1)
    gate.set()
    await asyncio.get_running_loop().shutdown_default_executor()


def test_threads_are_reused_up_to_the_limit(executor: Executor) -> None:
    """No more calls run at once than the pool has places, and an idle thread takes the next."""
    barrier = threading.Barrier(2)
    calls = [executor.submit(barrier.wait, 10) for _ in range(6)]
    concurrent.futures.wait(calls, 10)
    names = {executor.submit(threading.current_thread).result(10).name for _ in range(20)}
    assert names <= {"supervisor-executor_0", "supervisor-executor_1"}


def test_queued_call_can_be_cancelled(executor: Executor) -> None:
    """A call that has not begun is cancelled for good and never runs."""
    gate = threading.Event()
    busy = [executor.submit(gate.wait, 10) for _ in range(2)]
    ran: list[int] = []
    call = executor.submit(ran.append, 1)
    assert call.cancel()
    gate.set()
    concurrent.futures.wait(busy, 10)
    executor.shutdown()
    assert not ran


def test_no_calls_after_shutdown() -> None:
    """A pool that was shut down refuses calls with the stock pool's words."""
    pool = Executor()
    pool.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(print)


def test_bad_size_is_refused() -> None:
    """A pool without places cannot be made."""
    with pytest.raises(ValueError, match="max_workers"):
        Executor(max_workers=0)


def test_shutdown_waits_for_what_is_wanted() -> None:
    """After shutdown every call has ended, the queued ones too, and no thread is left."""
    pool = Executor(max_workers=1)
    gate = threading.Event()
    first, second = pool.submit(gate.wait, 10), pool.submit(divmod, 7, 2)
    opening = threading.Timer(0.05, gate.set)
    opening.start()
    pool.shutdown()
    opening.join()
    assert first.done()
    assert second.done()
    assert not [t for t in threading.enumerate() if t.name.startswith("supervisor-executor")]


def test_shutdown_can_drop_the_queue() -> None:
    """With `cancel_futures` what has not begun is cancelled."""
    pool = Executor(max_workers=1)
    gate = threading.Event()
    first, second = a_call(pool, gate), pool.submit(divmod, 7, 2)
    pool.shutdown(wait=False, cancel_futures=True)
    gate.set()
    assert first.result(10)
    assert second.cancelled()


def test_orphan_is_named_and_not_waited_for() -> None:
    """A call that was asked in vain to cancel is an orphan, and shutdown leaves it behind."""
    pool, gate = Executor(), threading.Event()
    call = an_orphan(pool, gate)
    (thread,) = pool.orphans()
    began = time.monotonic()
    pool.shutdown()
    assert time.monotonic() - began < 2
    assert not call.done()
    gate.set()
    thread.join(10)
    assert not thread.is_alive()
    assert not pool.orphans()


def test_call_orphaned_during_shutdown_ends_the_wait() -> None:
    """Shutdown stops waiting for a call at the moment at which it becomes an orphan."""
    pool, gate = Executor(), threading.Event()
    call = a_call(pool, gate)
    ending = threading.Thread(target=pool.shutdown)
    ending.start()
    call.cancel()
    ending.join(5)
    assert not ending.is_alive()
    gate.set()


def test_orphans_do_not_take_the_places(executor: Executor) -> None:
    """With all places taken by orphans further calls run, the one that was queued before too."""
    gate = threading.Event()
    stuck = [a_call(executor, gate) for _ in range(2)]
    queued = executor.submit(divmod, 7, 2)
    for call in stuck:
        call.cancel()
    assert queued.result(5) == (3, 1)  # before the calls that hold the places end by themselves
    assert executor.submit(divmod, 9, 2).result(10) == (4, 1)
    gate.set()
    concurrent.futures.wait(stuck, 10)


def test_rousing_leaves_the_process_as_found(executor: Executor) -> None:
    """After orphans were roused fd 0 is the file that it was, and no descriptor is left open."""
    gate = threading.Event()
    call = an_orphan(executor, gate)

    def facts() -> tuple[int, bool, int]:
        open_files = len(list(Path("/proc/self/fd").iterdir()))
        return os.fstat(0).st_ino, os.get_inheritable(0), open_files

    before = facts()
    executor.rouse(0.01)
    assert facts() == before
    gate.set()
    assert call.result(10)


def test_finished_pool_is_forgotten() -> None:
    """A pool that was shut down is kept alive by nothing, nor is what its calls referred to."""
    pool = Executor()
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 7, 0).result(10)
    pool.shutdown()
    forgotten = weakref.ref(pool)
    del pool
    gc.collect()
    assert forgotten() is None


def test_forked_child_does_not_wait() -> None:
    """A child made by fork exits in order although the parent's calls do not run in it."""
    script = """
    import warnings
    warnings.simplefilter("ignore")  # 3.12 warns of forks in processes with threads
    gate = threading.Event()
    executor.submit(gate.wait)
    child = os.fork()
    if child == 0:
        sys.exit(7)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    gate.set()
    """
    with child(script, "asyncio") as made:
        assert made.finish() == (0, b"7\n", b"")


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
def test_exit_with_stdin_still_open(loop: str, reading: str) -> None:
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
    """The same on a terminal, whose settings are put back, also where GNU readline reads."""
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


@needs_proc
@both_loops
def test_orphan_that_reads_again_does_not_abort_the_exit(loop: str) -> None:
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


@both_loops
def test_sleeping_orphan_does_not_hold_the_exit(loop: str) -> None:
    """A synchronous tool that sleeps for 30 s is left behind."""
    script = """
    async def main():
        began = threading.Event()
        call = asyncio.create_task(asyncio.to_thread(lambda: (began.set(), time.sleep(30))))
        while not began.is_set():
            await asyncio.sleep(0.005)
        call.cancel()
        await asyncio.wait([call])
    run(main)
    print("over")
    """
    began = time.monotonic()
    with child(script, loop) as made:
        assert made.finish() == (0, b"over\n", b"")
    assert time.monotonic() - began < 5


@both_loops
def test_wanted_call_is_waited_for(loop: str) -> None:
    """A call whose task was not cancelled is finished before the loop's run returns."""
    script = """
    async def main():
        began = threading.Event()
        def work():
            began.set()
            time.sleep(0.3)
            print("saved")
        asyncio.get_running_loop().run_in_executor(None, work)
        while not began.is_set():
            await asyncio.sleep(0.005)
    run(main)
    print("over")
    """
    with child(script, loop) as made:
        assert made.finish() == (0, b"saved\nover\n", b"")


def test_wanted_call_is_waited_for_at_exit() -> None:
    """Without any shutdown the exit waits for wanted calls, as the stock pool does."""
    script = """
    def work():
        time.sleep(0.3)
        print("saved")
    executor.submit(work)
    """
    with child(script, "asyncio") as made:
        assert made.finish() == (0, b"saved\n", b"")


@needs_proc
def test_loop_in_another_thread() -> None:
    """Orphans are roused also where the loop does not run in the main thread."""
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
def test_no_handler_and_no_wakeup_byte() -> None:
    """Rousing changes no handler and writes nothing to the wakeup fd."""
    script = """
    import select, signal, socket
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno())
    before = [signal.getsignal(number) for number in signal.valid_signals()]
    call = executor.submit(input)
    while not sits():
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
def test_shutdown_where_nobody_can_be_roused(trouble: str) -> None:
    """Without a stdin, or a free descriptor, shutdown leaves the orphan and says nothing."""
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

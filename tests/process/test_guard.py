"""C code that holds the GIL, and the guard that ends it, in real processes."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Generator
from pathlib import Path

import psutil
import pytest

from supervisor._signals.guard_state import RESERVE_SECONDS
from tests.process.harness import MARGIN
from tests.unit.signals.guards import guards_of

pytestmark = [pytest.mark.process]

ROOT = Path(__file__).parents[2]
_PATIENCE = 15.0
_LADDER = 0.9
# The signal may have been read just before the interpreter was held.
_WHY = r"the (interpreter was held|process did not end).*; the guard killed process \d+\n$"

on_each_loop = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])

PREAMBLE = """
import asyncio, ctypes, os, re, signal, sys, threading, time
from supervisor import Ladder, Rung, Supervisor, run
LADDER = Ladder(drain=0.3, cancel=0.3, abandon=0.3)
tell = lambda text: print(f"<{text}>", flush=True)
def hold():  # and compute nothing: C code waits for a lock that is taken already
    c, lock = ctypes.PyDLL(None), ctypes.create_string_buffer(128)  # zeros are a free mutex
    c.pthread_mutex_lock(lock)
    tell("ready")
    c.pthread_mutex_lock(lock)
def backtrack():
    tell("ready")
    re.match("(a*)*b", "a" * 40)
def spin():
    tell("ready")
    while True:  # interrupted, it goes on
        try:
            for _ in range(10**9): _ + 1
        except BaseException: pass
"""


class Program:
    """A script in a session of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid

    def until(self, text: str) -> None:
        """Read up to the line that is this text."""
        self.line_with(f"{text}>")

    def line_with(self, text: str) -> str:
        """Read up to the line that begins like this; return it."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if f"<{text}".encode() in line:
                return line.decode().strip("<>\n")
        raise AssertionError(f"{text} never came: {self.stderr!r}")

    def guard(self) -> psutil.Process:
        """Return the pid of its guard."""
        (found,) = guards_of(self.pid)
        return found

    def signal(self, number: int) -> float:
        """Send it a signal; return when."""
        os.kill(self.pid, number)
        return time.monotonic()

    def wait(self) -> int:
        """Return its status."""
        return self._process.wait(_PATIENCE)

    @property
    def stderr(self) -> bytes:
        """Return all of stderr, once the process is gone."""
        assert self._process.stderr is not None
        return self._process.stderr.read()


@contextlib.contextmanager
def program(script: str, **more: str) -> Generator[Program]:
    """Start one; kill it and its guard at the end."""
    with subprocess.Popen(
        [sys.executable, "-P", "-c", PREAMBLE + textwrap.dedent(script)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), **more},
        start_new_session=True,
    ) as process:
        try:
            yield Program(process)
        finally:
            process.kill()
            _no_guard_is_left(process.pid)


def _no_guard_is_left(pid: int) -> None:
    _, alive = psutil.wait_procs(guards_of(pid), timeout=_PATIENCE)
    assert not alive, "a guard outlives its process"


def _held(what: str, loop: str) -> str:
    return f"""
    async def main(sup):
        {what}()
    run(main, loop={loop!r}, ladder=LADDER)
    """


# -- it kills ---------------------------------------------------------------------------------


@on_each_loop
@pytest.mark.parametrize("what", ["hold", "backtrack"])
@pytest.mark.parametrize(("number", "seconds"), [(signal.SIGTERM, 0.9), (signal.SIGINT, 0.6)])
def test_a_held_interpreter_is_gone_by_the_deadline(
    loop: str, what: str, number: signal.Signals, seconds: float
) -> None:
    """C code that never releases the GIL is killed, and stderr says why and where it was."""
    with program(_held(what, loop)) as it:
        it.until("ready")
        began = it.signal(number)
        assert it.wait() in (-signal.SIGKILL, 137)
        assert seconds <= time.monotonic() - began < seconds + RESERVE_SECONDS + MARGIN
        if what == "hold":
            stacks, _, why = it.stderr.rpartition(b"\nsupervisor: ")
            assert b"in hold\n" in stacks
            assert re.match(_WHY, why.decode())


def test_each_further_signal_climbs_there_too() -> None:
    """Each further signal climbs a rung; the third one leaves only the last rung's seconds."""
    script = """
    async def main(sup):
        hold()
    run(main, ladder=Ladder(drain=20, cancel=20, abandon=0.5))
    """
    with program(script) as it:
        it.until("ready")
        for _ in range(2):
            it.signal(signal.SIGTERM)
            time.sleep(0.7)  # 0.3 would be a duplicate; the guard may look late
        began = it.signal(signal.SIGTERM)
        assert it.wait() == -signal.SIGKILL
        assert time.monotonic() - began < 0.5 + RESERVE_SECONDS + MARGIN


@pytest.mark.parametrize("how", ["sup.stop('enough')", "os.kill(os.getpid(), signal.SIGTERM)"])
def test_a_stop_that_is_under_way_is_known(how: str) -> None:
    """The guard knows of a stop that began before the GIL was held."""
    script = f"""
    async def main(sup):
        {how}
        await sup.wait_stop()
        hold()
    run(main, ladder=LADDER)
    """
    with program(script) as it:
        it.until("ready")
        began = time.monotonic()
        assert it.wait() == -signal.SIGKILL
        assert time.monotonic() - began < _LADDER + RESERVE_SECONDS + MARGIN


@on_each_loop
def test_a_plain_block_can_have_one(loop: str) -> None:
    """`Supervisor(guard=True)` starts one in a loop that runs already."""
    script = f"""
    async def main():
        async with Supervisor(ladder=LADDER, guard=True):
            hold()
    if {loop!r} == "uvloop":
        import uvloop
    with asyncio.Runner(loop_factory={loop}.new_event_loop) as runner:
        runner.run(main())
    """
    with program(script) as it:
        it.until("ready")
        began = it.signal(signal.SIGTERM)
        assert it.wait() == -signal.SIGKILL
        assert time.monotonic() - began < _LADDER + RESERVE_SECONDS + MARGIN


def test_no_end_is_no_kill() -> None:
    """With SUPERVISOR_GRACE=off nothing is killed, however long it takes."""
    with program(_held("hold", "asyncio"), SUPERVISOR_GRACE="off") as it:
        it.until("ready")
        it.signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            it._process.wait(2.0)
        assert it.guard().is_running()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and pidfds")
def test_what_it_kills_leaves_no_child() -> None:
    """No child is left, not even one that restarts its own; those from before the block are."""
    script = """
    import subprocess
    from multiprocessing import shared_memory
    before = subprocess.Popen(["sleep", "60"])
    async def main(sup):
        restarts = "trap '' TERM; (while :; do sleep 0.01; done) & echo; exec sleep 60"
        command = ["sh", "-c", restarts]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        child.stdout.readline()
        shared = shared_memory.SharedMemory(create=True, size=1)
        print(f"<pids {before.pid} {child.pid} {shared.name}>", flush=True)
        hold()
    run(main, ladder=LADDER)
    """
    with program(script) as it:
        before, child, shared = it.line_with("pids").split()[1:]
        it.until("ready")
        below = [psutil.Process(int(child)), *psutil.Process(int(child)).children()]
        spared = psutil.Process(int(before))
        it.signal(signal.SIGTERM)
        assert it.wait() == -signal.SIGKILL
        try:
            assert spared.status() == psutil.STATUS_SLEEPING
            _, alive = psutil.wait_procs(below, timeout=2)
            assert not alive
            assert not [p for p in psutil.process_iter() if _group(p) == int(child)]
            _until(lambda: not Path("/dev/shm", shared).exists())  # by its tracker
        finally:
            spared.kill()
        assert re.search(rb"killed process \d+ and [2-5] that it had started\n", it.stderr)


def test_what_it_kills_leaves_no_orphan() -> None:
    """An orphan is killed, too, if it is in the session that the program leads."""
    script = """
    import subprocess
    async def main(sup):
        shell = ["sh", "-c", "sleep 300 > /dev/null & echo $!"]
        pid = int(subprocess.check_output(shell))
        print(f"<pid {pid}>", flush=True)
        hold()
    run(main, ladder=LADDER)
    """
    with program(script) as it:
        orphan = psutil.Process(int(it.line_with("pid").split()[1]))
        it.until("ready")
        it.signal(signal.SIGTERM)
        try:
            assert it.wait() == -signal.SIGKILL
            assert psutil.wait_procs([orphan], timeout=_PATIENCE)[1] == []  # a moment later
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                orphan.kill()


def _group(process: psutil.Process) -> int | None:
    with contextlib.suppress(ProcessLookupError):
        return os.getpgid(process.pid)
    return None


def _until(is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_full_pipe_does_not_delay_the_kill() -> None:
    """Neither the stacks nor the guard's line wait for a reader."""
    script = """
    os.set_blocking(2, False)
    try:
        while True: os.write(2, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(2, True)
    async def main(sup):
        hold()
    run(main, ladder=LADDER)
    """
    with program(script) as it:
        it.until("ready")
        began = it.signal(signal.SIGTERM)
        assert it.wait() == -signal.SIGKILL
        assert time.monotonic() - began < _LADDER + RESERVE_SECONDS + MARGIN


def test_without_a_stderr_nothing_is_written_into_the_file_that_has_its_number(
    tmp_path: Path,
) -> None:
    """If fd 2 was closed at the start, nothing is written to the file that gets that number."""
    kept = tmp_path / "kept"
    script = f"""
    if sys.argv[1:] == ["again"]:
        assert os.open({str(kept)!r}, os.O_RDWR | os.O_CREAT) == 2
        async def main(sup):
            hold()
        run(main, ladder=LADDER)
    os.close(2)
    os.execv(sys.executable, [*sys.orig_argv, "again"])
    """
    with program(script) as it:
        it.until("ready")
        it.signal(signal.SIGTERM)
        assert it.wait() == -signal.SIGKILL
    assert kept.read_bytes() == b""


# -- it does not kill ---------------------------------------------------------------------------


@on_each_loop
def test_what_gives_way_ends_itself_with_its_report(loop: str) -> None:
    """Python code that blocks the loop ends with 137 and stacks on stderr, without the guard."""
    with program(_held("spin", loop)) as it:
        it.until("ready")
        it.signal(signal.SIGTERM)
        assert it.wait() == 137
        assert b"spin" in it.stderr


def test_an_interpreter_that_comes_back_in_time_goes_on() -> None:
    """If C code releases the GIL in time, the stop goes on and nobody is killed."""
    script = """
    async def main(sup):
        tell("ready")
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            sum(range(2 * 10**7))
        await sup.wait_stop()
        tell("in order")
    run(main, ladder=Ladder(drain=4, cancel=4, abandon=4))
    """
    with program(script) as it:
        it.until("ready")
        it.signal(signal.SIGTERM)
        it.until("in order")
        assert it.wait() == -signal.SIGTERM
        assert it.stderr == b""


@pytest.mark.skipif(sys.platform != "linux", reason="ptrace")
def test_a_traced_process_is_left_to_its_debugger() -> None:
    """A traced process is not killed before the debugger has gone."""
    with program(_held("hold", "asyncio")) as it:
        it.until("ready")
        it.signal(signal.SIGTERM)
        tracer = subprocess.Popen([sys.executable, "-c", _TRACE, str(it.pid)], stdout=-1)
        with tracer:
            assert tracer.stdout is not None
            assert tracer.stdout.readline() == b"traced 0\n"
            with pytest.raises(subprocess.TimeoutExpired):
                it._process.wait(_LADDER + RESERVE_SECONDS + 1.2)
            tracer.kill()
        assert it.wait() == -signal.SIGKILL


_TRACE = """
import ctypes, sys, time
print("traced", ctypes.CDLL(None).ptrace(0x4206, int(sys.argv[1]), 0, 0), flush=True)  # SEIZE
time.sleep(60)
"""


def test_signals_that_ask_for_nothing_are_not_its_business() -> None:
    """A signal that requests no stop, such as SIGUSR1, starts no deadline."""
    script = """
    signal.signal(signal.SIGUSR1, lambda *_: None)
    async def main(sup):
        hold()
    run(main, ladder=Ladder(drain=0, cancel=0, abandon=0))
    """
    with program(script) as it:
        it.until("ready")
        it.signal(signal.SIGUSR1)
        with pytest.raises(subprocess.TimeoutExpired):
            it._process.wait(1.0)


# -- it is in nobody's way ------------------------------------------------------------------------


QUIET = """
async def main(sup):
    tell("ready")
    await sup.wait_stop()
run(main, ladder=LADDER)
tell("behind")
"""


def test_it_sleeps_apart_and_holds_nothing() -> None:
    """The guard sleeps while idle, holds no file, is no child, and takes no signals."""
    with program(QUIET) as it:
        it.until("ready")
        guard = it.guard()
        time.sleep(0.3)
        before = guard.num_ctx_switches()
        time.sleep(1.0)
        assert guard.num_ctx_switches() == before
        assert os.getsid(guard.pid) == guard.pid
        assert guard.cwd() == "/"
        held = [str(fd.readlink()) for fd in Path(f"/proc/{guard.pid}/fd").iterdir()]
        assert sorted(link.partition(":")[0] for link in held) == [
            "/dev/null",
            "anon_inode",
            "socket",
            "socket",
        ]
        assert psutil.Process(it.pid).children(recursive=True) == []
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            guard.send_signal(number)
        assert guard.is_running()


def test_a_pipeline_does_not_wait_for_it() -> None:
    """A reader of the process's stdout sees its end when the process ends."""
    with program(QUIET) as it:
        it.until("ready")
        guard = it.guard()
        guard.suspend()
        it.signal(signal.SIGTERM)
        assert it._process.communicate(timeout=5)[0] == b""
        guard.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_its_process(number: signal.Signals) -> None:
    """The guard ends with its process, however that ends."""
    with program(QUIET) as it:
        it.until("ready")
        guard = it.guard()
        it.signal(number)
        assert it.wait() == -number
        psutil.wait_procs([guard], timeout=2)
        assert not guard.is_running()


def test_a_forked_child_does_not_keep_it() -> None:
    """A child that lives on has no guard, and does not keep its parent's guard."""
    script = """
    async def main(sup):
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
            os._exit(0)
        tell(f"child {pid}")
        tell("ready")
    run(main)
    tell("behind")
    sys.stdin = None
    signal.pause()
    """
    with program(script) as it:
        it.until("behind")
        (child,) = psutil.Process(it.pid).children()
        try:
            _no_guard_is_left(it.pid)
            assert not guards_of(child.pid)
        finally:
            child.kill()


def test_a_forked_child_is_a_child_like_others() -> None:
    """A signal ends a forked child, and it does not outlive a parent that the guard kills."""
    script = """
    async def main(sup):
        for _ in range(2):
            if os.fork() == 0:
                signal.alarm(20)
                while True: signal.pause()
        hold()
    run(main, ladder=LADDER)
    """
    with program(script) as it:
        it.until("ready")
        told, other = psutil.Process(it.pid).children()
        try:
            told.terminate()
            _until(lambda: told.status() == psutil.STATUS_ZOMBIE)
            _until(lambda: other.status() == psutil.STATUS_SLEEPING)
            it.signal(signal.SIGTERM)
            assert it.wait() == -signal.SIGKILL
            _no_guard_is_left(it.pid)
            assert psutil.wait_procs([other], timeout=_PATIENCE)[1] == []
        finally:
            for child in (told, other):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()


def test_a_loop_over_all_children_ends() -> None:
    """A loop over `os.wait()` ends, because the guard is not a child."""
    script = """
    async def main(sup):
        for _ in range(3):
            if os.fork() == 0:
                os._exit(0)
        try:
            while True: os.wait()
        except ChildProcessError:
            tell("none left")
    run(main)
    """
    with program(script) as it:
        it.until("none left")
        assert it.wait() == 0


@pytest.mark.parametrize("executable", ["/no/such/python", "/bin/false"])
def test_where_none_can_be_started_the_program_runs(executable: str) -> None:
    """Without a Python executable the program runs without a guard, and the log says so."""
    script = f"""
    import logging; logging.basicConfig(stream=sys.stdout, format="<%(message)s>")
    sys.executable = {executable!r}
    async def main(sup):
        await asyncio.sleep(0)
    run(main)
    """
    with program(script) as it:
        it.until("no guard")
        assert it.wait() == 0

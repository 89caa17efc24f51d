"""C code that holds the GIL, and the guard that ends it, in real processes."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from supervisor._signals.guard_state import RESERVE_SECONDS
from tests.process.guarded import (
    LADDER_SECONDS,
    PATIENCE,
    WHY,
    held,
    on_each_loop,
    program,
    tracer,
    until,
)
from tests.process.harness import MARGIN

pytestmark = [pytest.mark.process]


# -- it kills ---------------------------------------------------------------------------------


@on_each_loop
@pytest.mark.parametrize("what", ["hold", "backtrack"])
@pytest.mark.parametrize(("number", "seconds"), [(signal.SIGTERM, 0.9), (signal.SIGINT, 0.6)])
def test_a_held_interpreter_is_gone_by_the_deadline(
    loop: str, what: str, number: signal.Signals, seconds: float
) -> None:
    """C code that never releases the GIL is killed, and stderr says why and where it was."""
    with program(held(what, loop)) as it:
        it.until("ready")
        began = it.signal(number)
        assert it.wait() in (-signal.SIGKILL, 137)
        assert seconds <= time.monotonic() - began < seconds + RESERVE_SECONDS + MARGIN
        if what == "hold":
            stacks, _, why = it.stderr.rpartition(b"\nsupervisor: ")
            assert b"in hold\n" in stacks
            assert re.match(WHY, why.decode())


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
        assert time.monotonic() - began < LADDER_SECONDS + RESERVE_SECONDS + MARGIN


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
        assert time.monotonic() - began < LADDER_SECONDS + RESERVE_SECONDS + MARGIN


def test_no_end_is_no_kill() -> None:
    """With SUPERVISOR_GRACE=off nothing is killed, however long it takes."""
    with program(held("hold", "asyncio"), SUPERVISOR_GRACE="off") as it:
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
            until(lambda: not Path("/dev/shm", shared).exists())  # by its tracker
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
            assert psutil.wait_procs([orphan], timeout=PATIENCE)[1] == []  # a moment later
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                orphan.kill()


def _group(process: psutil.Process) -> int | None:
    with contextlib.suppress(ProcessLookupError):
        return os.getpgid(process.pid)
    return None


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
        assert time.monotonic() - began < LADDER_SECONDS + RESERVE_SECONDS + MARGIN


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
    with program(held("spin", loop)) as it:
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
    with program(held("hold", "asyncio")) as it:
        it.until("ready")
        with tracer(it.pid) as seize:
            it.signal(signal.SIGTERM)
            seize()
            with pytest.raises(subprocess.TimeoutExpired):
                it._process.wait(LADDER_SECONDS + RESERVE_SECONDS + 1.2)
        assert it.wait() == -signal.SIGKILL


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

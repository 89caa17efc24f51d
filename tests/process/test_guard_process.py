"""The guard's own process: apart from the program, and in the way of nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.process.guarded import (
    PATIENCE,
    no_guard_is_left,
    program,
    until,
)
from tests.unit.signals.guards import guards_of

pytestmark = [pytest.mark.process]


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
            no_guard_is_left(it.pid)
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
            until(lambda: told.status() == psutil.STATUS_ZOMBIE)
            until(lambda: other.status() == psutil.STATUS_SLEEPING)
            it.signal(signal.SIGTERM)
            assert it.wait() == -signal.SIGKILL
            no_guard_is_left(it.pid)
            assert psutil.wait_procs([other], timeout=PATIENCE)[1] == []
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

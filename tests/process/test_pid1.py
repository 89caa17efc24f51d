"""`supervisor.run` as PID 1 splits, and both halves do what they should."""

from __future__ import annotations

import signal
import sys
import textwrap
import time

import psutil
import pytest

from supervisor._signals.guard_state import RESERVE_SECONDS
from tests.process.commands import NEEDS_NAMESPACE, started
from tests.process.namespaces import UNSHARE

pytestmark = [pytest.mark.process, NEEDS_NAMESPACE]

PREAMBLE = """
import asyncio, atexit, os, signal, subprocess, sys, threading, time
import logging; logging.basicConfig(stream=sys.stdout, format="<log %(message)s %(why)s>")
from supervisor import Ladder, run
LADDER = Ladder(drain=0.3, cancel=0.3, abandon=0.3)
tell = lambda text: print(f"<{text}>", flush=True)
atexit.register(lambda: tell(f"atexit {os.getpid()}"))
"""
QUIET = """
async def main(sup):
    tell(f"ready {os.getpid()}")
    try:
        await sup.wait_stop()
    finally:
        tell("cleaned up")
"""


def _as_pid_1(script: str) -> list[str]:
    return [*UNSHARE, sys.executable, "-P", "-c", PREAMBLE + textwrap.dedent(script)]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_the_program_is_a_child_and_its_end_is_the_status(name: str) -> None:
    """The child cleans up and runs `atexit` once, and the status is 128 + n."""
    run = "run(main, ladder=LADDER, signals={'TERM': 'DRAIN', 'INT': 'CANCEL', 'HUP': 'CANCEL'})"
    with started(_as_pid_1(QUIET + run)) as it:
        it.until("<ready 2>")
        number = signal.Signals[name]
        it.signal(number)
        it.until("<cleaned up>")
        assert it.wait() == 128 + number
        assert it.until("\n", 1).strip() == ""
        assert it.until("\n", 1) == "<atexit 2>"


@pytest.mark.parametrize(
    ("end", "status"), [("return 1", 0), ("sys.exit(7)", 7), ("1/0", 1), ("sup.stop('done')", 0)]
)
def test_ends_without_a_signal(end: str, status: int) -> None:
    """Without a signal the statuses are as elsewhere: 0, the exit code, 1."""
    script = f"""
    async def main(sup):
        {end}
    run(main)
    """
    with started(_as_pid_1(script)) as it:
        assert it.wait() == status


def test_orphans_are_reaped_while_the_program_waits_for_its_own_children() -> None:
    """Orphans are reaped, and a child process of asyncio's keeps its status."""
    script = """
    async def main(sup):
        made = await asyncio.create_subprocess_shell("(sleep 0.05 &) ; exit 5")
        tell(f"status {await made.wait()}")
        await sup.wait_stop()
    run(main, ladder=LADDER)
    """
    with started(_as_pid_1(script)) as it:
        it.until("<status 5>")
        parent = psutil.Process(it.pid)
        end = time.monotonic() + 5
        while any(child.status() == psutil.STATUS_ZOMBIE for child in parent.children()):
            assert time.monotonic() < end
            time.sleep(0.01)
        it.signal(signal.SIGTERM)
        assert it.wait() == 143


def test_a_held_interpreter_is_killed_by_the_parent() -> None:
    """The parent kills C code that holds the GIL at the deadline, with status 137."""
    script = """
    async def main(sup):
        tell("ready")
        sum(range(10**13))
    run(main, ladder=LADDER)
    """
    assert 0.9 <= _seconds_to_137(script, signal.SIGTERM) < 0.9 + RESERVE_SECONDS + 1
    assert 0.6 <= _seconds_to_137(script, signal.SIGINT) < 0.6 + RESERVE_SECONDS + 1


def test_a_blocked_loop_ends_itself_before_the_parent_would() -> None:
    """A blocked loop ends itself with its report before the parent would kill it."""
    script = """
    async def main(sup):
        tell("ready")
        while True:
            try: time.sleep(60)
            except BaseException: pass
    run(main, ladder=LADDER)
    """
    assert 0.9 <= _seconds_to_137(script, signal.SIGTERM) < 0.9 + RESERVE_SECONDS + 1


def _seconds_to_137(script: str, number: int) -> float:
    with started(_as_pid_1(script)) as it:
        it.until("<ready>")
        began = time.monotonic()
        it.signal(number)
        assert it.wait() == 137
        return time.monotonic() - began


def test_the_environments_grace_holds_for_both() -> None:
    """SUPERVISOR_GRACE is the whole budget for the child and for the parent."""
    script = """
    async def main(sup):
        tell("ready")
        sum(range(10**13))
    run(main)
    """
    with started(_as_pid_1(script), SUPERVISOR_GRACE="0.5") as it:
        it.until("<ready>")
        began = time.monotonic()
        it.signal(signal.SIGTERM)
        assert it.wait() == 137
        assert 0.5 <= time.monotonic() - began < 0.5 + RESERVE_SECONDS + 1


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("threading.Thread(target=time.sleep, args=(60,), daemon=True).start()", "other threads"),
        ("helper = subprocess.Popen(['sleep', '60'])", "started other processes"),
    ],
)
def test_where_it_cannot_split_it_says_why_and_works(before: str, why: str) -> None:
    """Where it cannot split, it says why, and works as PID 1 with the same status."""
    with started(_as_pid_1(f"{before}\n{QUIET}\nrun(main, ladder=LADDER)")) as it:
        it.until(f"<log PID 1 is not split {why}" if why[0] == "o" else "<log PID 1 is not split")
        it.until("<ready 1>")
        it.signal(signal.SIGTERM)
        it.until("<cleaned up>")
        assert it.wait() == 143


def test_handlers_and_masks_are_as_without_a_split() -> None:
    """The child has no blocked signal, and its handlers are those of the program."""
    script = """
    def found():
        numbers = sorted(signal.valid_signals())
        return [signal.getsignal(n) for n in numbers], signal.pthread_sigmask(0, ())
    before = found()
    async def main(sup):
        tell(signal.pthread_sigmask(0, ()))
    run(main)
    tell(f"same {found() == before}")
    """
    with started(_as_pid_1(script)) as it:
        it.until("<set()>")
        it.until("<same True>")
        assert it.wait() == 0

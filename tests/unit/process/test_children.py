"""The child processes since a moment: which are found, which are ended, which are spared."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from supervisor._process import process_table
from supervisor._process.children import ChildProcesses
from supervisor._process.process_info import ProcessInfo
from supervisor._process.process_table import Row
from tests.unit.process.shells import OBEYS, REFUSES, SECONDS, SLACK, Start

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform == "win32", reason="signals and groups of POSIX"),
]

ROOT = Path(__file__).parents[3]


def test_a_child_that_obeys_is_terminated_and_not_killed(start: Start) -> None:
    """A child that obeys dies by SIGTERM at once, and whoever started it gets its status."""
    children = ChildProcesses()
    child = start(OBEYS)
    began = time.monotonic()
    assert children.end(30) == []
    assert time.monotonic() - began < SLACK
    assert _is_zombie(child.pid)
    assert child.wait() == -signal.SIGTERM


def test_a_child_that_refuses_is_killed_and_described(start: Start) -> None:
    """A child that refuses is killed after half of the seconds, and described."""
    children = ChildProcesses()
    child = start(REFUSES)
    began = time.monotonic()
    assert children.end(SECONDS) == [ProcessInfo(child.pid, "sleep", "sleep 301")]
    assert SECONDS / 2 <= time.monotonic() - began < SECONDS + SLACK
    assert child.wait() == -signal.SIGKILL


def test_a_stopped_child_is_continued_to_its_end(start: Start) -> None:
    """A stopped child is sent SIGCONT after SIGTERM."""
    children = ChildProcesses()
    child = start(OBEYS)
    os.kill(child.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED)
    assert children.end(30) == []
    assert child.wait() == -signal.SIGTERM


def test_a_tree_of_fifty_of_which_half_refuse_is_ended_in_time(start: Start) -> None:
    """A tree of fifty, in our session and in its own, is ended in time; no zombie is reaped."""
    children = ChildProcesses()
    each = f"({REFUSES}) & ({OBEYS}) &"
    half = f"{each * 12} trap '' TERM; echo ready; read never"
    shells = [start(half, lines=25, own_session=own) for own in (True, False)]
    assert len(children.scan()) == 50
    began = time.monotonic()
    killed = children.end(SECONDS)
    assert time.monotonic() - began < SECONDS + SLACK
    assert len(killed) == 26
    assert children.scan() == []
    assert [_is_zombie(shell.pid) for shell in shells] == [True, True]
    assert [shell.wait() for shell in shells] == [-signal.SIGKILL] * 2


def test_one_that_appears_meanwhile_is_killed_too(start: Start) -> None:
    """A process that a child starts in answer to SIGTERM is killed too."""
    children = ChildProcesses()
    child = start("trap 'sleep 302 & echo more' TERM; echo ready; while :; do sleep 0.05; done")
    killed = children.end(SECONDS)
    assert {found.command for found in killed} >= {"sleep 302"}
    assert child.wait() == -signal.SIGKILL
    assert children.scan() == []


def test_a_grandchild_that_holds_the_pipes_is_ended(start: Start) -> None:
    """Whoever reads a child's output gets its end, though the child had ended before."""
    children = ChildProcesses()
    child = start(f"({REFUSES}) & read never", lines=1)
    children.scan()
    child.kill()
    child.wait()
    assert [found.name for found in children.end(SECONDS)] == ["sleep"]
    assert child.stdout is not None
    assert child.stdout.read() == ""


def test_kill_does_not_wait(start: Start) -> None:
    """`kill` kills at once, and returns those that it has killed."""
    children = ChildProcesses()
    child = start(REFUSES)
    assert [found.pid for found in children.kill()] == [child.pid]
    assert child.wait() == -signal.SIGKILL
    assert children.kill() == []


def test_what_was_there_before_is_left_alone(start: Start) -> None:
    """A child that was there before is left alone, with all that it starts."""
    before = start("echo ready; while read word; do sleep 303 < /dev/null & echo ready $!; done")
    children = ChildProcesses()
    assert before.stdin is not None
    assert before.stdout is not None
    print("more", file=before.stdin, flush=True)
    started = psutil.Process(int(before.stdout.readline().split()[1]))
    assert children.end(SECONDS) == []
    assert before.poll() is None
    assert started.is_running()


def test_chosen_children_and_theirs_are_found(start: Start) -> None:
    """With chosen children, only these and theirs are ended."""
    script = f"({REFUSES}) & read never"
    chosen, other = start(script), start(script)
    children = ChildProcesses({chosen.pid})
    assert len(children.scan()) == 2
    chosen.kill()
    chosen.wait()
    assert [found.name for found in children.end(SECONDS)] == ["sleep"]
    assert other.poll() is None


def test_a_group_is_ended_though_its_leader_has_ended(start: Start) -> None:
    """What a shell has left in its own session is nobody's child, and is found by its group."""
    children = ChildProcesses()
    leader = start(f"({OBEYS}) & echo ready", lines=2, own_session=True)
    os.waitid(os.P_PID, leader.pid, os.WEXITED | os.WNOWAIT)
    (left,) = children.scan()
    assert left.parent != os.getpid()
    leader.wait()
    assert [row.ident for row in children.terminate()] == [left.ident]
    assert children.end(SECONDS) == []
    assert children.scan() == []


def test_each_is_terminated_once(start: Start) -> None:
    """Each process gets one SIGTERM, as some take a second one for haste."""
    children = ChildProcesses()
    script = "trap 'echo ready' TERM; echo ready; while :; do sleep 0.01; done"
    started = [start(script), start(script, own_session=True)]
    children.terminate()
    for child in started:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    children.kill()
    assert [child.stdout.read() for child in started if child.stdout] == ["", ""]


def test_a_pid_that_is_anothers_by_now_gets_no_signal(start: Start) -> None:
    """A process that has the pid of one that has ended gets no signal."""
    children = ChildProcesses()
    gone = start(OBEYS)
    children.scan()
    gone.kill()
    gone.wait()
    time.sleep(0.02)  # a start time counts in hundredths of a second
    other = _with_pid(gone.pid)
    try:
        children.descendants.spared |= {_row(other.pid).ident}
        assert children.end(SECONDS) == []
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_table_that_cannot_be_read_is_no_error() -> None:
    """With too many files open nobody new is found, and nothing is raised."""
    assert _program("""
        import resource
        children = ChildProcesses()
        started = [subprocess.Popen(["sleep", "300"])]
        found = [process.pid for process in children.scan()] == [started[0].pid]
        started.append(subprocess.Popen(["sleep", "300"]))
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 64))
        again = [process.pid for process in children.scan()] == [started[0].pid]
        named = [killed.pid for killed in children.kill()] == [started[0].pid]
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        for child in started: child.kill()
        tell([found, again, named])
    """) == [[True, True, True]]


def test_orphans_are_found_where_the_kernel_waits_for_children() -> None:
    """Where SIGCHLD is ignored, an orphan is found although no child is left to be seen."""
    script = "sleep 300 > /dev/null & echo $!"
    assert _program(f"""
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        children = ChildProcesses(is_program=True)
        shell = subprocess.Popen(["sh", "-c", {script!r}], stdout=subprocess.PIPE)
        pid = int(shell.stdout.read())
        shell.wait()
        assert [row.pid for row in children.scan()] == [pid]
        tell([one.pid for one in children.kill()] == [pid])
    """) == [True]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /proc")
def test_psutil_is_not_loaded() -> None:
    """On Linux psutil is not imported."""
    assert _program("""
        children = ChildProcesses()
        assert children.end(1) == [] and children.scan() == [] and children.kill() == []
        child = subprocess.Popen(["sleep", "300"])
        assert [row.pid for row in children.scan()] == [child.pid]
        assert children.end(1) == []
        tell("psutil" in sys.modules)
        child.wait()
    """) == [False]


def test_a_forked_child_ends_none_of_its_parents() -> None:
    """A forked child finds and ends none of the processes that its parent knows."""
    assert _program("""
        children = ChildProcesses(is_program=True)
        child = subprocess.Popen(["sleep", "300"])
        children.scan()
        pid = os.fork()
        if pid == 0:
            os._exit(len(children.scan()) + len(children.kill()) + len(children.end(1)))
        tell(os.waitpid(pid, 0)[1])
        tell(child.poll())
        child.kill(), child.wait()
    """) == [0, None]


def test_the_table_is_not_read_where_there_never_was_a_child() -> None:
    """The process table is read only once there has been a child."""
    assert _program("""
        from supervisor._process import process_table as table
        children = ChildProcesses(is_program=True)
        asked = []
        table.read = lambda: asked.append("the table") or {}
        assert children.end(1) == [] and children.scan() == [] and children.kill() == []
        tell(asked)
        subprocess.run(["true"])
        children.scan()
        tell(asked)
    """) == [[], ["the table"]]


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_multiprocessings_helpers_are_left_and_its_children_ended(method: str) -> None:
    """Multiprocessing's children are ended; its resource tracker is left to clean up."""
    told = _program(f"""
        import multiprocessing
        from multiprocessing.shared_memory import SharedMemory

        if __name__ == "__main__":
            children = ChildProcesses()
            context = multiprocessing.get_context({method!r})
            ready = context.Event()
            child = context.Process(target=tests.unit.process.test_children.refuse, args=(ready,))
            child.start()
            memory = SharedMemory(create=True, size=8)
            ready.wait()
            killed = children.end({SECONDS})
            tell([found.pid for found in killed] == [child.pid])
            child.join()
            tell(child.exitcode)
            memory.close()
            memory.unlink()
            from multiprocessing.resource_tracker import _resource_tracker
            tell(psutil.Process(_resource_tracker._pid).status() != "zombie")
    """)
    assert told == [True, -signal.SIGKILL, True]


def refuse(ready: threading.Event) -> None:
    """Refuse to end, as a child of `multiprocessing`."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready.set()
    time.sleep(300)


@pytest.mark.parametrize("is_subreaper", [True, False])
def test_a_daemon_is_found_only_by_a_subreaper(is_subreaper: bool) -> None:
    """A daemon that left parent, group and session before a scan is found by a subreaper alone."""
    told = _program(f"""
        import ctypes
        if {is_subreaper}:
            ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
        children = ChildProcesses()
        script = "setsid sh -c 'echo $$; exec sleep 304' & read never"
        pipe = subprocess.PIPE
        shell = subprocess.Popen(["sh", "-c", script], stdout=pipe, stdin=pipe)
        pid = int(shell.stdout.readline())
        shell.kill(), shell.wait()
        daemon = psutil.Process(pid)
        while daemon.ppid() == shell.pid:
            time.sleep(0.01)
        tell(pid in [row.pid for row in children.scan()])
        daemon.kill()
    """)
    assert told == [is_subreaper]


def test_ending_in_the_background_happens_once(start: Start) -> None:
    """`end_in_background` ends them in a thread, and only the first call does anything."""
    children = ChildProcesses()
    started = [start(OBEYS), start(REFUSES)]
    over = threading.Event()
    heard: list[Sequence[ProcessInfo]] = []

    def hear(killed: Sequence[ProcessInfo]) -> None:
        heard.append(killed)
        over.set()

    is_ending = [children.is_ending]
    for _ in range(3):
        children.end_in_background(SECONDS, hear)
        is_ending.append(children.is_ending)
    assert is_ending == [False, True, True, True]
    assert over.wait(SECONDS + SLACK)
    assert [found.pid for killed in heard for found in killed] == [started[1].pid]
    assert [child.wait() for child in started] == [-signal.SIGTERM, -signal.SIGKILL]


def _row(pid: int) -> Row:
    found = process_table.row_of(pid)
    assert found is not None
    return found


def _is_zombie(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def _with_pid(pid: int) -> subprocess.Popen[bytes]:
    """Start a process with this pid; skip the test where the kernel gives no choice."""
    for _ in range(50):
        try:
            Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        except OSError:
            pytest.skip("only root can choose a pid, and only on Linux")
        made = subprocess.Popen(["sleep", "300"])
        if made.pid == pid:
            return made
        made.kill()
        made.wait()
    pytest.skip("another process was faster each time")


def _program(code: str) -> list[object]:
    """Run a program in a session of its own; returns what it tells."""
    lines = code.strip("\n").splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip())
    head = """
import json, os, signal, subprocess, sys, time
from supervisor._process.children import ChildProcesses
def tell(fact): print(json.dumps(fact), flush=True)
"""
    if "psutil." in code:
        head += "import psutil\n"
    if "tests." in code:
        head += "import tests.unit.process.test_children\n"
    program = head + "\n".join(line[indent:] for line in lines)
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        timeout=20,
    )
    assert found.returncode == 0, found.stderr
    return [json.loads(line) for line in found.stdout.splitlines()]


def test_daemons_that_cannot_be_looked_for_are_none(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With too many open files no daemon is named, and that is no error."""
    children = ChildProcesses(is_program=True)
    start(OBEYS)

    def refuse() -> process_table.Table:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(process_table, "read", refuse)
        assert children.daemons() == []


def test_without_a_thread_nothing_is_ended_in_the_background(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no thread can be started, what is left is killed at EXIT."""
    children = ChildProcesses()
    child = start(OBEYS)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        children.end_in_background(SECONDS, lambda _: None)
    assert not children.is_ending
    assert child.poll() is None
    children.kill()
    assert child.wait() == -signal.SIGKILL

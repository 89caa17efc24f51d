"""The processes that were started since a moment: who is found, who is told, who is killed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from supervisor._process import process_table
from supervisor._process.children import ChildProcesses, ProcessInfo
from supervisor._process.process_table import Row, has_children
from tests.process.namespaces import UNSHARE
from tests.process.test_exec import NEEDS_NAMESPACE

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform == "win32", reason="signals and groups of POSIX"),
]

Shell = subprocess.Popen[str]
Start = Callable[..., Shell]

ROOT = Path(__file__).parents[3]
SECONDS = 0.6  # to end; half of them before the kill
SLACK = 1.0  # what a busy machine may add

OBEYS = "echo ready; exec sleep 300"
REFUSES = "trap '' TERM; echo ready; exec sleep 301"


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts shells, each once it has said that it is ready; none outlives the test."""
    found = set(psutil.Process().children(recursive=True))
    shells: list[Shell] = []

    def run(script: str, *, lines: int = 1, own_session: bool = False) -> Shell:
        shell = subprocess.Popen(
            ["sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=own_session,
        )
        shells.append(shell)
        assert shell.stdout is not None
        for _ in range(lines):
            assert shell.stdout.readline().startswith("ready")
        return shell

    yield run
    for process in set(psutil.Process().children(recursive=True)) - found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    for shell in shells:
        shell.wait()
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.close()
        shell.stdout.close()


# -- the end ------------------------------------------------------------------------------------


def test_a_child_that_obeys_is_told_and_not_killed(start: Start) -> None:
    """It dies by SIGTERM, at once, and who started it gets its status."""
    children = ChildProcesses()
    child = start(OBEYS)
    began = time.monotonic()
    assert children.end(30) == []
    assert time.monotonic() - began < SLACK
    assert _is_zombie(child.pid)
    assert child.wait() == -signal.SIGTERM


def test_a_child_that_refuses_is_killed_and_named(start: Start) -> None:
    """After half of the seconds; by pid, name and command line."""
    children = ChildProcesses()
    child = start(REFUSES)
    began = time.monotonic()
    assert children.end(SECONDS) == [ProcessInfo(child.pid, "sleep", "sleep 301")]
    assert SECONDS / 2 <= time.monotonic() - began < SECONDS + SLACK
    assert child.wait() == -signal.SIGKILL


def test_a_stopped_child_goes_on_to_its_end(start: Start) -> None:
    """SIGTERM waits for SIGCONT, which is sent behind it."""
    children = ChildProcesses()
    child = start(OBEYS)
    os.kill(child.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED)
    assert children.end(30) == []
    assert child.wait() == -signal.SIGTERM


def test_a_tree_of_fifty_of_which_half_refuse_is_ended_in_time(start: Start) -> None:
    """In a session of its own and in ours; zombies are counted, and are their parents' to reap."""
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
    """A child answers SIGTERM by starting another process, and goes on."""
    children = ChildProcesses()
    child = start("trap 'sleep 302 & echo more' TERM; echo ready; while :; do sleep 0.05; done")
    killed = children.end(SECONDS)
    assert {found.command for found in killed} >= {"sleep 302"}
    assert child.wait() == -signal.SIGKILL
    assert children.scan() == []


def test_a_grandchild_that_holds_the_pipes_lets_go(start: Start) -> None:
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
    """For the end of the process, where no time is left."""
    children = ChildProcesses()
    child = start(REFUSES)
    assert [found.pid for found in children.kill()] == [child.pid]
    assert child.wait() == -signal.SIGKILL
    assert children.kill() == []


def test_it_works_without_pidfds(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """On an old kernel, and where the process may open no more files."""

    def refuse(pid: int, flags: int = 0) -> int:
        raise OSError(errno.ENOSYS, "no pidfds")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    children = ChildProcesses()
    started = [start(OBEYS), start(REFUSES)]
    assert [found.pid for found in children.end(SECONDS)] == [started[1].pid]
    assert [child.wait() for child in started] == [-signal.SIGTERM, -signal.SIGKILL]


# -- who is found -------------------------------------------------------------------------------


def test_what_was_there_before_is_left_alone_with_all_that_it_starts(start: Start) -> None:
    """A pool, or a database, of the host's."""
    before = start("echo ready; while read word; do sleep 303 < /dev/null & echo ready $!; done")
    children = ChildProcesses()
    assert before.stdin is not None
    assert before.stdout is not None
    print("more", file=before.stdin, flush=True)
    started = psutil.Process(int(before.stdout.readline().split()[1]))
    assert children.end(SECONDS) == []
    assert before.poll() is None
    assert started.is_running()


def test_only_these_children_and_theirs(start: Start) -> None:
    """For a guest, to whom the others do not belong."""
    script = f"({REFUSES}) & read never"
    chosen, other = start(script), start(script)
    children = ChildProcesses({chosen.pid})
    assert len(children.scan()) == 2
    chosen.kill()
    chosen.wait()
    assert [found.name for found in children.end(SECONDS)] == ["sleep"]
    assert other.poll() is None


def test_a_group_is_ended_though_its_leader_has_ended(start: Start) -> None:
    """What a shell of its own session has left behind is nobody's child, but of its group."""
    children = ChildProcesses()
    leader = start(f"({OBEYS}) & echo ready", lines=2, own_session=True)
    os.waitid(os.P_PID, leader.pid, os.WEXITED | os.WNOWAIT)
    (left,) = children.scan()
    assert left.parent != os.getpid()
    leader.wait()
    assert [row.ident for row in children.terminate()] == [left.ident]
    assert children.end(SECONDS) == []
    assert children.scan() == []


def test_each_is_told_once(start: Start) -> None:
    """A program that takes a second SIGTERM for haste must not get two."""
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
    """The process that was known by it has ended; the kernel has given it away again."""
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
    """With too many files open nobody new is found; the ladder, which asks, is not broken off."""
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


@NEEDS_NAMESPACE
def test_the_proc_of_another_namespace_is_not_believed() -> None:
    """`unshare --pid` leaves the /proc of outside: whom that names are strangers inside."""
    script = """
    import json, subprocess
    from supervisor._process.descendants import Descendants
    from supervisor._process.children import ChildProcesses
    from supervisor._process.process_table import read
    children = ChildProcesses()
    child = subprocess.Popen(["sleep", "300"])
    found = [process.pid for process in children.scan()]
    child.kill(), child.wait()
    print(json.dumps([found, Descendants(2).update(read())]))
    """
    theirs = 'sh -c "sleep 300 & sleep 300 & wait" & sleep 0.5'  # pid 2, outside
    inner = 'unshare --pid --fork sh -c \'"$0" -P -c "$1" & wait $!\' "$0" "$1"'  # inside
    outer = [*UNSHARE, "--kill-child", "sh", "-c", f"{theirs}; {inner}"]
    done = subprocess.run(
        [*outer, sys.executable, textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout == "[[], []]\n", done.stderr


def test_children_are_noticed_without_psutil_and_without_being_reaped(start: Start) -> None:
    """A zombie is one, too."""
    child = start("echo ready")
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert has_children()
    assert child.wait() == 0


def test_orphans_are_found_where_the_kernel_waits_for_children() -> None:
    """Where SIGCHLD is ignored nothing tells that there was a child."""
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
    """It would take longer than to read the table, in a program that is being stopped."""
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
    """It inherits what was known, and the `atexit` handlers."""
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
    """A program without any does not pay for it."""
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
    """The resource tracker cleans up, whoever is killed; the fork server's children are ours."""
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
    """What the child of `multiprocessing` does."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready.set()
    time.sleep(300)


@pytest.mark.parametrize("is_subreaper", [True, False])
def test_a_daemon_is_found_only_by_a_subreaper(is_subreaper: bool) -> None:
    """One that has left its parent, its group and its session, before anybody looked."""
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


# -- in a thread --------------------------------------------------------------------------------


def test_begin_ends_them_in_a_thread_of_its_own_and_once(start: Start) -> None:
    """The loop and the watchdog may both ask."""
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


def test_a_killed_process_says_who_it_was() -> None:
    """The command line where there is one, cut short."""
    assert str(ProcessInfo(7, "sleep", "sleep 300")) == "7 sleep 300"
    assert str(ProcessInfo(7, "sleep", "")) == "7 sleep"


def test_a_long_command_line_is_cut(start: Start) -> None:
    """A report is to be read."""
    children = ChildProcesses()
    shell = start(f"trap '' TERM; echo ready; exec sleep 300 {'0 ' * 500}")
    _until_it_is(shell.pid, "sleep")
    (killed,) = children.kill()
    assert len(killed.command) == 100
    assert killed.command.startswith("sleep 300 0 0")
    assert killed.command.endswith("…")


def _until_it_is(pid: int, name: str) -> None:
    """Wait until a process has become another program: `exec` comes after the word "ready"."""
    while psutil.Process(pid).name() != name:
        time.sleep(0.001)


def _row(pid: int) -> Row:
    found = process_table.row_of(pid)
    assert found is not None
    return found


def _is_zombie(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def _with_pid(pid: int) -> subprocess.Popen[bytes]:
    """A process with this pid; skips where the kernel cannot be told."""
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

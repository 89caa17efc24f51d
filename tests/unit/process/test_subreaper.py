"""The subreaper: orphans are adopted and reaped, children of the user's are not."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from supervisor._process import adoption, process_table
from supervisor._process.children import ChildProcesses
from supervisor._process.subreaper import Subreaper
from supervisor._reports.log import reporter

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers"),
]

_ROOT = Path(__file__).parents[3]


def test_an_orphan_that_has_ended_is_reaped() -> None:
    """An orphan that was seen under another parent is reaped when it has ended."""
    assert _program("""
        shell = subprocess.Popen(["sh", "-c", "sleep 300 & echo $!; read never"], **PIPES)
        pid = int(shell.stdout.readline())
        subreaper.reap()
        shell.kill(), shell.wait()
        until(lambda: psutil.Process(pid).ppid() == os.getpid())
        os.kill(pid, signal.SIGKILL)
        until(lambda: psutil.Process(pid).status() == "zombie")
        subreaper.reap()
        tell(psutil.pid_exists(pid))
    """) == [False]


def test_a_child_of_the_users_keeps_its_status() -> None:
    """The user's own child is not reaped, and keeps its status."""
    assert _program("""
        child = subprocess.Popen(["sh", "-c", "exit 7"])
        until(lambda: psutil.Process(child.pid).status() == "zombie")
        subreaper.reap(), subreaper.reap()
        tell(child.wait())
    """) == [7]


def test_a_daemon_is_found() -> None:
    """A daemon that left parent, group and session before any scan is found."""
    assert _program("""
        script = "import os, time; os.fork() and os._exit(0); os.setsid();"
        script += "os.fork() and os._exit(0); print(os.getpid(), flush=True);"
        script += "os.close(1); time.sleep(300)"
        pid = int(subprocess.check_output([sys.executable, "-c", script]))
        until(lambda: [row.pid for row in children.scan()] == [pid])  # its parent ends too
        tell("found")
        os.kill(pid, signal.SIGKILL)
    """) == ["found"]


def test_what_an_earlier_child_starts_is_spared_when_adopted() -> None:
    """A process that a child from before has started is spared when it is adopted."""
    assert _program(
        """
        print("go", file=before.stdin, flush=True)
        pid = int(before.stdout.readline())
        subreaper.reap()
        before.kill(), before.wait()
        until(lambda: psutil.Process(pid).ppid() == os.getpid())
        tell(children.scan())
        os.kill(pid, signal.SIGKILL)
        """,
        first="""
script = "read x; sleep 300 & echo $!; read y"
before = subprocess.Popen(["sh", "-c", script], **PIPES)
""",
    ) == [[]]


def test_it_ends_unless_it_was_found() -> None:
    """`end` stops the adoption, unless somebody had asked for it before."""
    assert _program("""
        from supervisor._process import adoption
        tell(adoption.adopts_orphans())
        subreaper.end()
        tell(adoption.adopts_orphans())
        adoption.adopt_orphans()
        again = Subreaper(children)
        again.begin(), again.end()
        tell(adoption.adopts_orphans())
    """) == [True, False, True]


def _program(script: str, first: str = "") -> list[object]:
    """Run a script with a subreaper that has begun; return what it tells."""
    head = f"""
import json, os, signal, subprocess, sys, time
import psutil
from supervisor._process.subreaper import Subreaper
from supervisor._process.children import ChildProcesses
PIPES = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
def tell(fact): print(json.dumps(fact), flush=True)
def until(fact):
    end = time.monotonic() + 10
    while not fact(): assert time.monotonic() < end
{first}
children = ChildProcesses(takes_daemons=True)
subreaper = Subreaper(children)
subreaper.begin()
"""
    done = subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(script)],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_system_without_subreapers_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the kernel gives a process no orphans, that is logged, and no thread is started."""

    def refuse(*, on: bool = True) -> bool:
        return False

    monkeypatch.setattr(adoption, "adopt_orphans", refuse)
    before = threading.active_count()
    with caplog.at_level(logging.INFO, "supervisor"):
        subreaper = Subreaper(ChildProcesses())
        subreaper.begin()
        reporter.flush(5)
    assert "no subreaper" in caplog.text
    assert threading.active_count() <= before + 1  # of the log
    subreaper.end()


def test_too_many_open_files_end_no_adoption(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process table that cannot be read is read again a moment later."""
    reads: list[int] = []

    def refuse() -> None:
        reads.append(1)
        if len(reads) == 2:
            subreaper._ended.set()
        raise OSError(24, "Too many open files")

    subreaper = Subreaper(ChildProcesses())
    monkeypatch.setattr("supervisor._process.subreaper._SECONDS", 0.0)
    monkeypatch.setattr(subreaper, "reap", refuse)
    subreaper._run()
    assert len(reads) == 2


def test_without_children_the_table_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without any child has no orphans to reap."""

    def refuse() -> process_table.Table:
        raise AssertionError("it costs milliseconds")

    monkeypatch.setattr(process_table, "has_children", lambda: False)
    subreaper = Subreaper(ChildProcesses())  # this may read it: the process may have children
    with monkeypatch.context() as patched:
        patched.setattr(process_table, "read", refuse)
        subreaper.reap()

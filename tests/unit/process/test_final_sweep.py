"""The final sweep: it kills all that are left, and ends with the status that it was given."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from supervisor._process import final_sweep, process_table
from supervisor._process.descendants import Descendants
from supervisor._process.final_sweep import descendants_from_args, descendants_to_args

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="needs /proc"),
]

_ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("status", [0, 7, -signal.SIGINT, -signal.SIGTERM])
def test_it_ends_with_the_status_it_was_given(status: int) -> None:
    """It ends with the status or by the signal that it was given, and its children are killed."""
    done, pids = _become(
        f"""
        made = subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 300 & wait"])
        while len(psutil.Process().children(recursive=True)) < 2: pass
        print(*[child.pid for child in psutil.Process().children(recursive=True)], flush=True)
        final_sweep.become({status}, Descendants(os.getpid()), ())
        """
    )
    assert done == status
    assert not _alive(pids)


def test_a_signal_that_does_not_end_it_gives_the_status() -> None:
    """A signal whose default action is harmless becomes the status 128 + its number."""
    done, _ = _become(
        f"final_sweep.become({-signal.SIGURG}, Descendants(os.getpid()), ())",
    )
    assert done == 128 + signal.SIGURG


def test_an_embedded_python_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no interpreter to start, the process stays what it is."""
    monkeypatch.setattr(sys, "executable", "")
    assert not final_sweep.can_become()
    final_sweep.become(3, Descendants(os.getpid()), ())


def test_no_thread_starts_a_process_after_it() -> None:
    """The threads of the process end as it becomes another program."""
    done, pids = _become(
        """
        def start_on():
            while True: print(subprocess.Popen(["sleep", "300"]).pid, flush=True)
        threading.Thread(target=start_on, daemon=True).start()
        while len(psutil.Process().children()) < 20: pass
        final_sweep.become(3, Descendants(os.getpid()), ())
        """
    )
    assert done == 3
    assert len(pids) >= 20
    assert not _alive(pids)


def test_it_spares_what_was_there_before_and_helpers() -> None:
    """What was there before and multiprocessing's helpers stay alive."""
    done, pids = _become(
        """
        made = [subprocess.Popen(["sleep", "300"], stdout=subprocess.DEVNULL) for _ in range(3)]
        print(*[child.pid for child in made], flush=True)
        before = table.row_of(made[0].pid).ident
        final_sweep.become(3, Descendants(os.getpid(), spared=[before]), [made[1].pid])
        """
    )
    try:
        assert done == 3
        assert _alive(pids) == pids[:2]
    finally:
        for pid in _alive(pids):
            os.kill(pid, signal.SIGKILL)


def test_a_signal_meanwhile_does_not_end_it() -> None:
    """Signals are blocked, except the one to die by in the end."""
    done, _ = _become(
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        os.kill(os.getpid(), signal.SIGTERM)
        final_sweep.become(3, Descendants(os.getpid()), ())
        """
    )
    assert done == 3


def test_what_is_known_survives_the_command_line() -> None:
    """What is known of the descendants is read from a command line as it was written."""
    row = process_table.row_of(os.getpid())
    assert row is not None
    descendants = Descendants(1, spared=[(5, 7.0)], known=[row], began=3.0, takes_daemons=True)
    descendants.was_alone, descendants.led = True, {6: 8.0}
    found = descendants_from_args(1, descendants_to_args(descendants))
    assert list(found.known) == [row.ident]
    assert found.spared == {(5, 7.0)}
    assert found.led == {6: 8.0}
    assert found.began == 3.0
    assert found.takes_daemons


def _become(script: str) -> tuple[int, list[int]]:
    """Run a script that becomes the final sweep; return its status, and the pids it printed."""
    head = """
import os, signal, subprocess, threading
import psutil
from supervisor._process import final_sweep, process_table as table
from supervisor._process.descendants import Descendants
"""
    done = subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(script)],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        timeout=30,
        check=False,
    )
    return done.returncode, [int(word) for word in done.stdout.split()]


def _alive(pids: list[int]) -> list[int]:
    found = [pid for pid in pids if psutil.pid_exists(pid)]
    return [pid for pid in found if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]

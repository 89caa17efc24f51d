"""The parent of a command without POSIX signals, with POSIX signals in the place of others."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from supervisor._process import group_parent

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform == "win32", reason="uses POSIX signals in their place"),
]

ENDS = """
import sys, signal, pathlib, time
{handler}
pathlib.Path(sys.argv[1]).touch()
time.sleep(60)
"""
REFUSES = ENDS.format(handler="signal.signal(signal.SIGTERM, signal.SIG_IGN)")
AGREES = ENDS.format(handler="signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))")


@pytest.mark.parametrize(("code", "grace", "status"), [(AGREES, 60.0, 7), (REFUSES, 0.0, -9)])
def test_a_request_is_passed_on_and_a_refusal_is_killed(
    tmp_path: Path, code: str, grace: float, status: int
) -> None:
    """The child gets the one signal for another; at the deadline it is killed."""
    marker = tmp_path / "ready"
    child = group_parent.start([sys.executable, "-c", code, str(marker)])
    assert os.getpgid(child.pid) == child.pid

    def ask() -> None:
        while not marker.exists():
            if child.poll() is not None:
                return
        os.kill(os.getpid(), signal.SIGUSR1)

    found = signal.getsignal(signal.SIGUSR1)
    asker = threading.Thread(target=ask)
    asker.start()
    try:
        ended = group_parent.look_after(
            child, asked_by=[signal.SIGUSR1], sent=signal.SIGTERM, grace=grace
        )
    finally:
        child.kill()
        asker.join()
    assert ended == status
    assert signal.getsignal(signal.SIGUSR1) is found


class Ended:
    """A child that has ended, and whose parent is asked to stop just then."""

    def wait(self, timeout: float) -> int:
        """Return its status; a request comes before."""
        signal.raise_signal(signal.SIGUSR1)
        return 7

    def poll(self) -> int:
        """Return its status."""
        return 7

    def send_signal(self, number: int) -> None:
        """Hit another process, whose pid it is by now."""
        raise AssertionError("nobody is there to get it")


def test_one_that_has_ended_gets_no_signal() -> None:
    """A request that comes as the child ends is passed on to nobody."""
    child: Any = Ended()
    status = group_parent.look_after(
        child, asked_by=[signal.SIGUSR1], sent=signal.SIGTERM, grace=60.0
    )
    assert status == 7

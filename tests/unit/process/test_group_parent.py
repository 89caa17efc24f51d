"""The parent of a command without POSIX signals, with POSIX signals in the place of others."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

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

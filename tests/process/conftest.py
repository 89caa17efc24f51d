"""The warm server, started at the first test that needs it; a check that no process is left."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator

import psutil
import pytest

from tests.process.harness import Server

_MARK = "SUPERVISOR_TESTS"


@pytest.fixture(scope="session", autouse=True)
def _leaves_no_process() -> Iterator[None]:
    """Fail the session if a process of these tests outlives them; the error names it.

    All inherit a mark with the environment, orphans too. A guard has none, and ends by itself.
    """
    mark = uuid.uuid4().hex
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(_MARK, mark)
        yield
    end = time.monotonic() + 2.0  # for what was killed a moment ago
    while (left := _marked(mark)) and time.monotonic() < end:
        time.sleep(0.05)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert not left, "processes were left behind:\n" + "\n".join(left.values())


def _marked(mark: str) -> dict[psutil.Process, str]:
    found: dict[psutil.Process, str] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(_MARK) == mark:
                found[process] = f"{process.pid} {' '.join(process.cmdline())}"
    return found


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Return the server, whose forked children have imported everything."""
    with Server() as started:
        yield started

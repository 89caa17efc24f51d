"""Fixtures of a thread pool and of child processes."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

import psutil
import pytest

from supervisor._process.threads import DaemonThreadPool
from tests.unit.process.shells import Shell, Start


@pytest.fixture
def pool() -> Iterator[DaemonThreadPool]:
    """Give a pool of two threads, and shut it down afterwards."""
    made = DaemonThreadPool(max_workers=2)
    yield made
    made.shutdown()


@pytest.fixture
def start() -> Iterator[Start]:
    """Give a function that starts a shell and waits until it is ready; none outlives the test."""
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

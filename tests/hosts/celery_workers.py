"""Celery workers as processes of their own, with a Redis of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.hosts.ports import free_port

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 30.0  # seconds for what will come unless something hangs
APP: Final = "examples.workers.celery_worker"


def wait_for(is_so: Callable[[], object], story: Callable[[], str]) -> None:
    """Wait for a fact that nothing tells of."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, story()
        time.sleep(0.02)


@contextlib.contextmanager
def redis(folder: Path) -> Generator[int]:
    """Start a Redis server; its port."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("needs redis-server")
    port = free_port()
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: _answers(port), lambda: "Redis does not answer")
            yield port
        finally:
            process.kill()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class Broker:
    """The queue, and the conversations that are kept beside it."""

    def __init__(self, port: int, folder: Path) -> None:
        import redis as client

        self._redis: Any = client.Redis(port=port)
        self._folder = folder
        self.environ = {
            **os.environ,
            "BROKER_URL": f"redis://127.0.0.1:{port}/0",
            "CONVERSATIONS": str(folder),
        }
        self.environ.pop("SUPERVISOR_GRACE", None)

    def close(self) -> None:
        """Leave it."""
        self._redis.close()

    @property
    def waiting(self) -> int:
        """How many tasks wait for a worker."""
        return int(self._redis.llen("celery"))

    @property
    def unacknowledged(self) -> int:
        """How many tasks are with a worker, or are lost with one."""
        return int(self._redis.hlen("unacked"))

    def is_saved(self, name: str) -> bool:
        """Return whether a conversation waits to go on."""
        return (self._folder / f"{name}.json").exists()

    def call(self, code: str) -> str:
        """Run some code with the example's names, as a client; returns what it prints."""
        command = [sys.executable, "-c", f"from {APP} import *\n{code}"]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # the client library complains as the interpreter ends
            timeout=PATIENCE,
            check=True,
            text=True,
        )
        return done.stdout.strip()

    @contextlib.contextmanager
    def worker(self, pool: str, *more: str) -> Generator[Worker]:
        """Start a worker of one task at a time."""
        options = ["-P", pool, "-c", "1", "-l", "INFO", "--without-gossip", "--without-mingle"]
        log = self._folder / f"worker-{time.monotonic_ns()}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", APP, "worker", *options, *more],
                cwd=ROOT,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        worker = Worker(process, log)
        try:
            yield worker
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)


class Worker:
    """A worker that runs."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def output(self) -> str:
        """What its processes have written so far."""
        return self._log.read_text(errors="replace")

    def until(self, words: str) -> None:
        """Wait until it has written this."""
        wait_for(lambda: words in self.output, self.story)

    def signal(self, number: int) -> None:
        """Send a signal to its main process, as a service manager does."""
        self.process.send_signal(number)

    def press_ctrl_c(self) -> None:
        """Send SIGINT to all its processes, as a terminal does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self) -> int:
        """Wait for its end; returns the exit status."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            pytest.fail(f"It did not end.\n{self.story()}")

    def story(self) -> str:
        """Return what is known of it, for the message of a failed test."""
        lines = [line[:300] for line in self.output.splitlines()]
        return "\n".join(lines[-60:])

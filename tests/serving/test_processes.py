"""Workers and their host in processes of their own, stopped by real signals."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("grpc", reason="grpc is not installed; pip install 'autogen-supervisor[grpc]'")

from tests.process.harness import Fact, Lines
from tests.serving.parts import free_address

pytestmark = [pytest.mark.process]

_ROOT = Path(__file__).parents[2]
_PATIENCE = 15.0  # seconds for a fact that will come unless something hangs
_PROMPT = 2.0  # seconds for an end that waits for nothing; an interpreter with gRPC takes its time
_FORCED = 137


class Child:
    """A program of `programs.py`, with its facts."""

    def __init__(self, process: subprocess.Popen[bytes], stderr: Any) -> None:
        assert process.stdout is not None
        self._process = process
        self._facts = Lines(process.stdout.fileno())
        self._stderr = stderr

    def until(self, name: str, seconds: float = _PATIENCE) -> Fact:
        """Wait for a fact."""
        deadline = time.monotonic() + seconds
        while True:
            fact = self._facts.next(deadline - time.monotonic())
            assert fact is not None, f"{name} never came: {self.stderr}"
            if fact["fact"] == name:
                return fact

    def ask(self, text: str) -> None:
        """Have the client of a `host` ask the worker."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n".encode())
        self._process.stdin.flush()

    def signal(self, number: signal.Signals) -> float:
        """Send a signal; return when."""
        self._process.send_signal(number)
        return time.monotonic()

    def wait(self, seconds: float = _PATIENCE) -> int:
        """Wait for its end; return the exit code, or minus the signal that it died by."""
        return self._process.wait(seconds)

    @property
    def stderr(self) -> str:
        """Return what it has written there so far."""
        self._stderr.seek(0)
        return str(self._stderr.read().decode(errors="replace"))


@contextlib.contextmanager
def start(program: str, **arguments: Any) -> Generator[Child]:
    """Start a program in a session of its own; kill it at the end if it lives."""
    command = [sys.executable, "-m", "tests.serving.programs", program, json.dumps(arguments)]
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile() as stderr,
        subprocess.Popen(
            command, cwd=_ROOT, stdin=pipe, stdout=pipe, stderr=stderr, start_new_session=True
        ) as process,
    ):
        try:
            yield Child(process, stderr)
        finally:
            if process.poll() is None:
                process.kill()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Return the address of a host that the tests share."""
    found = free_address()
    with start("host", address=found) as host:
        host.until("ready")
        _hosts[found] = host
        yield found


_hosts: dict[str, Child] = {}


@contextlib.contextmanager
def _busy_worker(address: str, does: str, loop: str = "asyncio") -> Generator[tuple[Child, Child]]:
    """Start a worker that is handling a message, and the host whose client has sent it."""
    with start("worker", address=address, does=does, loop=loop) as worker:
        worker.until("ready")
        _hosts[address].ask("hello")
        worker.until("busy")
        yield worker, _hosts[address]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_an_idle_worker_ends_at_once(address: str, loop: str) -> None:
    """An idle worker ends at once, names its stop, and dies by that signal."""
    with start("worker", address=address, does="echoes", loop=loop) as worker:
        worker.until("ready")
        began = worker.signal(signal.SIGTERM)
        assert worker.until("served")["reason"] == "Stopped by SIGTERM"
        assert worker.wait() == -signal.SIGTERM, worker.stderr
        assert time.monotonic() - began < _PROMPT


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_sigterm_lets_a_message_be_answered(address: str, loop: str) -> None:
    """After SIGTERM the answer arrives in the other process, before the worker leaves."""
    with _busy_worker(address, "finishes", loop) as (worker, host):
        worker.signal(signal.SIGTERM)
        assert host.until("answer")["text"] == "hello!"
        assert worker.wait() == -signal.SIGTERM, worker.stderr


def test_a_second_signal_counts(address: str) -> None:
    """SIGTERM waits for the handler, and SIGINT cancels it; the sender gets the reason."""
    with _busy_worker(address, "waits") as (worker, host):
        worker.signal(signal.SIGTERM)
        began = worker.signal(signal.SIGINT)
        assert "Stopped by SIG" in host.until("answer")["error"]
        assert worker.wait() in (-signal.SIGTERM, -signal.SIGINT), worker.stderr
        assert time.monotonic() - began < _PROMPT
        assert "Traceback" not in worker.stderr


def test_a_handler_that_refuses_does_not_keep_the_process(address: str) -> None:
    """A worker whose handler refuses is gone by the deadline; the log and the sender know why."""
    with _busy_worker(address, "refuses") as (worker, host):
        began = worker.signal(signal.SIGTERM)
        assert "its recipient's process is stopping" in host.until("answer")["error"]
        assert worker.wait() == _FORCED
        assert time.monotonic() - began < _PROMPT + 1  # and the ladder's 0.9 s
        assert "something refused to stop" in worker.stderr


def test_all_handlers_are_put_back(address: str) -> None:
    """After the block the program has its own signal handlers and wakeup fd again."""
    with start("guest", address=address) as guest:
        guest.until("ready")
        guest.signal(signal.SIGTERM)
        assert guest.until("left")["changes"] == []
        assert guest.wait() == 0, guest.stderr


def test_a_host_ends_with_workers_connected_and_they_end_without_it() -> None:
    """A host ends with workers connected, and the workers end without the host."""
    address = free_address()
    with start("host", address=address) as host:
        host.until("ready")
        with start("worker", address=address, does="echoes", loop="asyncio") as worker:
            worker.until("ready")
            began = host.signal(signal.SIGTERM)
            assert host.wait() == -signal.SIGTERM, host.stderr
            assert time.monotonic() - began < _PROMPT
            began = worker.signal(signal.SIGTERM)
            assert worker.wait() == -signal.SIGTERM, worker.stderr
            assert time.monotonic() - began < _PROMPT
            assert "Traceback" not in worker.stderr


def test_a_worker_ends_whose_host_was_killed() -> None:
    """A worker whose host was killed ends in order."""
    address = free_address()
    with start("host", address=address) as host:
        host.until("ready")
        with start("worker", address=address, does="echoes", loop="asyncio") as worker:
            worker.until("ready")
            host.signal(signal.SIGKILL)
            host.wait()
            began = worker.signal(signal.SIGTERM)
            assert worker.wait() == -signal.SIGTERM, worker.stderr
            assert time.monotonic() - began < _PROMPT


def test_a_team_that_waits_for_another_process_is_stopped(address: str) -> None:
    """The run ends here at once; the other process goes on, since it is not notified."""
    with start("worker", address=address, does="waits", loop="asyncio") as worker:
        worker.until("ready")
        with start("team", address=address, is_distributed=False) as team:
            worker.until("busy")
            began = team.signal(signal.SIGINT)
            assert team.until("result")["reason"] == "Stopped by SIGINT"
            assert team.wait() == -signal.SIGINT, team.stderr
            assert time.monotonic() - began < _PROMPT
        worker.signal(signal.SIGINT)
        assert worker.wait() == -signal.SIGINT, worker.stderr


def test_a_team_on_the_distributed_runtime_is_stopped(address: str) -> None:
    """A stop ends a team on the gRPC runtime, whose first message AutoGen 0.7 cannot read."""
    with start("team", address=address, is_distributed=True) as team:
        team.until("ready")
        began = team.signal(signal.SIGINT)
        assert team.until("result")["reason"] == "Stopped by SIGINT"
        assert team.wait() == -signal.SIGINT, team.stderr
        assert time.monotonic() - began < _PROMPT


def test_the_example_gets_its_answer_through_sigterm() -> None:
    """The answer of the example's worker arrives in spite of SIGTERM, and its status is true."""
    done = subprocess.run(
        [sys.executable, "examples/workers/grpc_worker.py"],
        cwd=_ROOT,
        env=os.environ | {"PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        timeout=3 * _PATIENCE,  # two programs start one after the other, with gRPC and AutoGen
        check=True,
    )
    assert "sent SIGTERM, and got 'HOW ARE YOU?'" in done.stdout
    assert "worker: Stopped by SIGTERM" in done.stdout
    assert f"status {-signal.SIGTERM}" in done.stdout

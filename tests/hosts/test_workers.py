"""The examples of workers, as processes with real signals: threads, processes, pytest."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest

from tests.process.harness import NEVER_SAID

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 40.0

pytestmark = [pytest.mark.process, pytest.mark.blocks]


class Program:
    """A program that runs, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[str] = []

    def until(self, *words: str) -> None:
        """Wait until each of these was said."""
        assert self.process.stdout is not None
        while not all(any(word in line for line in self.said) for word in words):
            line = self.process.stdout.readline()
            assert line, "".join(self.said)
            self.said.append(line)

    def end(self) -> str:
        """Wait for its end; returns all that it has said."""
        try:
            rest, _ = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            pytest.fail(f"It did not end.\n{''.join(self.said)}")
        return "".join([*self.said, rest])


@contextlib.contextmanager
def _started(*command: str) -> Generator[Program]:
    environ = {key: value for key, value in os.environ.items() if key != "SUPERVISOR_GRACE"}
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    ) as process:
        try:
            yield Program(process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_thread_is_told_by_the_main_thread(number: int) -> None:
    """The run of the thread has its result, the loop over jobs ends, and then the program."""
    with _started("examples/workers/thread.py") as program:
        program.until("Job 1")
        program.process.send_signal(number)
        said = program.end()
    lines = said.splitlines()
    assert lines[-1] == "The worker has ended."
    assert "Job 2" not in said
    for line in lines[1:-1]:  # none where the stop came before the run: that is refused
        assert line.startswith(("The program ends;", "Stopped before")), said
    assert len(lines) <= 3, said
    assert program.process.returncode == 0
    assert not [words for words in NEVER_SAID if words in said], said


@pytest.mark.parametrize(
    ("method", "way"),
    [
        pytest.param(
            method, way, marks=() if (method, way) == ("fork", "SIGTERM") else pytest.mark.soak
        )
        for method in ("fork", "spawn", "forkserver")
        for way in ("Ctrl-C", "SIGTERM")
    ],
)
def test_each_child_has_its_result(method: str, way: str) -> None:
    """Ctrl-C to the whole group, or SIGTERM to the parent alone: each child tells its result."""
    with _started("examples/workers/processes.py", method) as program:
        program.until("Child 1: Now", "Child 2: Now")
        if way == "Ctrl-C":
            os.killpg(program.process.pid, signal.SIGINT)
        else:
            program.process.send_signal(signal.SIGTERM)
        said = program.end()
    number = signal.SIGTERM if way == "SIGTERM" else signal.SIGINT
    heard = "SIGINT" if way == "Ctrl-C" else "SIGTERM"
    for child in (1, 2):
        assert f"Child {child}: Stopped by {heard}" in said, said
    assert "The children have ended." in said
    assert program.process.returncode == -number
    assert not [words for words in NEVER_SAID if words in said], said


@pytest.mark.soak
def test_ctrl_c_ends_pytest(tmp_path: Path) -> None:
    """The session ends as pytest ends it, with status 2, and the team was cleaned up before."""
    arguments = ["-s", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--log-cli-level=DEBUG"]
    arguments.append(f"--basetemp={tmp_path / 'inner'}")
    with _started("-m", "pytest", *arguments, "examples/testing/test_counters.py") as program:
        program.until("GroupChatAgentResponse")  # AutoGen's log: an agent has spoken
        program.process.send_signal(signal.SIGINT)
        said = program.end()
    assert program.process.returncode == pytest.ExitCode.INTERRUPTED, said
    assert "The team has ended." in said
    assert "KeyboardInterrupt" in said
    assert "never retrieved" not in said

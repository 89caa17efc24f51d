"""SQLite: the kernel tells who owns a run, also of stopped, forked and contained processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.checkpoints import sqlite_owners
from tests.checkpoints.preloaded import run_scenario
from tests.process.namespaces import UNSHARE, can_unshare

pytestmark = pytest.mark.process


def test_an_owner_that_is_stopped_keeps_its_run(memory_path: Path) -> None:
    """Its lock lives as long as the process: it goes on where it was, however long that took."""
    found = run_scenario(sqlite_owners.stop_an_owner, folder=str(memory_path), takes_locks=True)
    assert found == {"stopped": "done", "other": "held"}


def test_an_owner_without_a_lock_loses_its_run_when_it_is_stopped(memory_path: Path) -> None:
    """Where only the lease tells, another one goes on after it, and the first writes nothing."""
    found = run_scenario(sqlite_owners.stop_an_owner, folder=str(memory_path), takes_locks=False)
    assert found == {"stopped": "refused", "other": "done"}


def test_nobody_goes_on_while_an_owner_is_stopped_within_a_commit(memory_path: Path) -> None:
    """The commit is whole afterwards, and others are told meanwhile that somebody writes."""
    found = run_scenario(sqlite_owners.stop_within_a_commit, folder=str(memory_path))
    assert found["stopped"] == found["other"] == "done"
    assert "another process has been writing" in found["meanwhile"]
    assert found["turns"] == "0, 1"


def test_a_forked_child_is_no_owner(memory_path: Path) -> None:
    """It cannot take the parent's run, owns what it takes itself, and its end frees nothing."""
    found = run_scenario(sqlite_owners.fork_an_owner, folder=str(memory_path))
    assert found == {"child": "held", "child's own": "done", "afterwards": "held", "parent": "done"}


def test_a_store_that_is_closed_frees_no_run_of_another(memory_path: Path) -> None:
    """Two supervisors of one process exclude each other, also by two names of one file."""
    found = run_scenario(sqlite_owners.close_another_store, folder=str(memory_path))
    assert found == {"afterwards": "held", "owner": "done"}


@pytest.mark.parametrize("times", [5, pytest.param(500, marks=pytest.mark.soak)])
def test_a_run_is_free_as_soon_as_its_owner_is_dead(memory_path: Path, times: int) -> None:
    """Once a killed owner is reaped, the next one is not refused."""
    assert run_scenario(sqlite_owners.kill_an_owner, folder=str(memory_path), times=times) == 0


@pytest.mark.parametrize("files", [3, pytest.param(20, marks=pytest.mark.soak)])
def test_many_open_a_fresh_file_at_once(memory_path: Path, files: int) -> None:
    """Eight processes that are the first to open a file all work with it."""
    found = run_scenario(
        sqlite_owners.open_at_once, folder=str(memory_path), files=files, processes=8
    )
    assert found == [8] * files


@pytest.mark.skipif(not can_unshare(), reason="this machine lets us make no PID namespace")
def test_containers_exclude_each_other(memory_path: Path) -> None:
    """Two processes that are PID 1 of their namespaces see each other, and each other's death."""
    path = str(memory_path / "runs.db")
    with _holding(path, UNSHARE) as (first, said):
        assert said.startswith("owned by")
        assert said.endswith("pid 1")
        with _holding(path, UNSHARE) as (_, other):
            assert other == f"held by {said.split()[2]}"
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        with _holding(path, UNSHARE) as (_, other):
            assert other.startswith("owned by")
            assert other.split()[2] != said.split()[2]


@contextmanager
def _holding(path: str, before: Sequence[str]) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Start a program that holds the run; yield it and the line that it says."""
    command = [*before, sys.executable, "-m", sqlite_owners.__name__, path]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as program:
        assert program.stdout is not None
        try:
            yield program, program.stdout.readline().strip()
        finally:
            if program.poll() is None:
                os.killpg(program.pid, signal.SIGKILL)

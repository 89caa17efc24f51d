"""Runs that are kept in PostgreSQL, whose server goes away or whose owner stands still."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from examples.fleet.postgres_server import PostgresServer
from supervisor import checkpoints
from supervisor._checkpoints.urls import open_store
from supervisor.checkpoints import RunInfo, RunStatus
from tests.process.harness import Server

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


def _info(url: str) -> RunInfo:
    store = open_store(url)
    info = store.info("run")
    store.close()
    return info


def _until_kept(url: str, turn: int) -> None:
    end = time.monotonic() + 30
    store = open_store(url)
    store.setup()
    while not store.list() or store.info("run").turn < turn:
        assert time.monotonic() < end, "the turn is not written"
        time.sleep(0.01)
    store.close()


def _arguments(url: str, **changed: Any) -> dict[str, Any]:
    return {
        "url": url,
        "run_id": "run",
        "lease": 30,
        "turns": 3,
        "pause": 0.0,
        "stays": 0,
    } | changed


def _ended(turns: int) -> dict[str, Any]:
    """Return what is told at the end of a run whose turns are all there, each once."""
    said = ["Talk", *(f"turn {turn}" for turn in range(1, turns + 1))]
    return {"fact": "ended", "error": None, "said": said}


@pytest.mark.parametrize(
    "seconds", [0.5, pytest.param(5, marks=pytest.mark.soak)], ids=lambda s: f"{s} s"
)
def test_goes_on_after_the_server_was_away(
    server: Server, postgres_server: PostgresServer, postgres_url: str, seconds: float
) -> None:
    """A run whose turns cannot be written for a while loses none of them."""
    with server.start("streams", **_arguments(postgres_url, turns=20, pause=0.1)) as it:
        it.until("turn")
        it.until("turn")
        postgres_server.crash()
        try:
            assert not it.has_ended(seconds)
        finally:
            postgres_server.start()
        assert it.until("ended") == _ended(20)
        assert it.wait() == 0, it.story()
    info = _info(postgres_url)
    assert (info.status, info.turn, info.attempts) == (RunStatus.COMPLETED, 20, 1)


def test_is_gone_on_with_after_a_kill(server: Server, postgres_url: str) -> None:
    """Another process waits for the lease of one that was killed, and takes its open turn anew."""
    with server.start("streams", **_arguments(postgres_url, lease=1, stays=2)) as it:
        _until_kept(postgres_url, 1)
        it.signal(signal.SIGKILL)
    with server.start("streams", **_arguments(postgres_url, lease=1)) as other:
        assert other.until("ended") == _ended(3)
        assert other.wait() == 0, other.story()
        assert [fact["turn"] for fact in other.facts("turn")] == [2, 3]
    info = _info(postgres_url)
    assert (info.status, info.attempts) == (RunStatus.COMPLETED, 2)


def test_one_that_stood_still_ends_in_order(server: Server, postgres_url: str) -> None:
    """Another process waits for its lease and goes on; its own run ends with LeaseLost then."""
    with server.start("streams", **_arguments(postgres_url, lease=1, stays=2)) as it:
        _until_kept(postgres_url, 1)
        it.signal(signal.SIGSTOP)
        with server.start("streams", **_arguments(postgres_url, lease=1)) as other:
            assert other.until("ended") == _ended(3)
            assert other.wait() == 0, other.story()
        it.signal(signal.SIGCONT)
        assert it.until("ended")["error"] == "LeaseLost"
        it.until("left")
        assert it.wait() == 0, it.story()
    info = _info(postgres_url)
    assert (info.status, info.turn, info.attempts) == (RunStatus.COMPLETED, 3, 2)


def test_is_cancelled_from_another_process(server: Server, postgres_url: str) -> None:
    """The owner learns of it with its next renewal, and nobody goes on with the run."""
    with server.start("streams", **_arguments(postgres_url, stays=2)) as it:
        _until_kept(postgres_url, 1)
        with checkpoints.open(postgres_url) as runs:
            assert [info.id for info in runs.list(status="running")] == ["run"]
            assert runs.cancel("run") is RunStatus.RUNNING
            it.until("ended")
            assert it.wait() == 0, it.story()
            assert [info.id for info in runs.list(status="cancelled")] == ["run"]

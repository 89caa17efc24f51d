"""Runs that are kept in PostgreSQL, whose server goes away or whose owner stands still."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from examples.fleet.postgres_server import PostgresServer
from supervisor._checkpoints.urls import open_store
from supervisor.checkpoints import RunInfo, RunStatus
from tests.process.harness import Server

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


def _info(url: str) -> RunInfo:
    store = open_store(url)
    info = store.info("run")
    store.close()
    return info


def _arguments(url: str, **changed: Any) -> dict[str, Any]:
    return {
        "url": url,
        "run_id": "run",
        "lease": 30,
        "turns": 3,
        "pause": 0.0,
        "stays": 0,
    } | changed


@pytest.mark.parametrize(
    "seconds", [0.5, pytest.param(5, marks=pytest.mark.soak)], ids=lambda s: f"{s} s"
)
def test_goes_on_after_the_server_was_away(
    server: Server, postgres_server: PostgresServer, postgres_url: str, seconds: float
) -> None:
    """A run whose turns cannot be written for a while loses none of them."""
    with server.start("streams", **_arguments(postgres_url, turns=30, pause=0.05)) as it:
        it.until("turn")
        it.until("turn")
        postgres_server.crash()
        try:
            assert not it.has_ended(seconds)
        finally:
            postgres_server.start()
        assert it.until("ended") == {"fact": "ended", "error": None, "messages": 31}
        assert it.wait() == 0, it.story()
    assert _info(postgres_url).status is RunStatus.COMPLETED


def test_one_that_stood_still_ends_in_order(server: Server, postgres_url: str) -> None:
    """Another process waits for its lease and goes on; its own run ends with LeaseLost then."""
    with server.start("streams", **_arguments(postgres_url, lease=1, stays=2)) as it:
        it.until("turn")
        it.until("turn")
        it.signal(signal.SIGSTOP)
        with server.start("streams", **_arguments(postgres_url, lease=1)) as other:
            assert other.until("ended") == {"fact": "ended", "error": None, "messages": 4}
            assert other.wait() == 0, other.story()
        it.signal(signal.SIGCONT)
        assert it.until("ended")["error"] == "LeaseLost"
        it.until("left")
        assert it.wait() == 0, it.story()
    info = _info(postgres_url)
    assert (info.status, info.attempts) == (RunStatus.COMPLETED, 2)

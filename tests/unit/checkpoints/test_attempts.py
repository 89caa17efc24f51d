"""A run that is queued again after each error comes to rest."""

from __future__ import annotations

from pathlib import Path

from supervisor._checkpoints.store import Commit, End, NewRun, RunStatus
from supervisor._checkpoints.urls import open_store


def test_a_run_that_keeps_failing_comes_to_rest(tmp_path: Path) -> None:
    """After as many errors as it may meet it is FAILED instead of QUEUED, and keeps the last."""
    store = open_store(f"sqlite:///{tmp_path / 'runs.db'}")
    store.setup()
    store.submit("poison", NewRun(team="team", shape="{}", task="{}"))
    found = list[tuple[RunStatus, int, str | None]]()
    for error in ("one", "two", "three"):
        fence = store.acquire("poison", "me", 15).fence
        assert fence is not None
        end = End(status=RunStatus.QUEUED, error=error, attempts=3)
        store.commit("poison", fence, Commit(expects=0, turn=0, end=end))
        info = store.info("poison")
        found.append((info.status, info.failures, info.error))
    store.close()
    assert found == [
        (RunStatus.QUEUED, 1, "one"),
        (RunStatus.QUEUED, 2, "two"),
        (RunStatus.FAILED, 3, "three"),
    ]

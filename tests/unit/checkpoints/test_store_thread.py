"""The thread of a store: what becomes of jobs that nobody does, or nobody waits for."""

from __future__ import annotations

import asyncio
import os
from typing import Any, cast

import pytest

from supervisor._checkpoints.store_thread import Outcome, StoreThread
from supervisor.errors import StoreUnavailable
from tests.unit.checkpoints.noted import NotedStore


def thread_of(store: NotedStore) -> StoreThread:
    """Return the thread of a store, which has not begun."""
    return StoreThread(cast(Any, store), "supervisor-checkpoints")


async def test_a_job_after_its_end_is_refused() -> None:
    """Once the block was left nobody does anything in the store any more."""
    thread = thread_of(NotedStore())
    await thread.aclose()
    with pytest.raises(StoreUnavailable, match="the Supervisor's block was left"):
        await thread.call(lambda store: store.list())


async def test_a_forked_child_neither_does_jobs_nor_ends_the_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The thread stays with the parent, whatever a child does with its copy."""
    thread = thread_of(NotedStore())
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: -1)
        assert not thread.post(lambda: None)
        await thread.aclose()
    assert not thread.is_closed
    await thread.aclose()


async def test_an_outcome_is_set_once() -> None:
    """What comes second changes nothing; one that was cancelled has nothing to tell."""
    loop = asyncio.get_running_loop()
    outcome = Outcome[int](loop)
    outcome.set(1)
    outcome.set(2)
    assert await outcome == 1
    await asyncio.sleep(0)
    dropped = Outcome[int](loop)
    dropped.future.cancel()
    await asyncio.sleep(0)
    assert outcome.future.result() == 1

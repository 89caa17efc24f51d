"""Leases are renewed by a thread of their own, as long as that is allowed."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from supervisor._checkpoints.lease_renewer import LeaseRenewer
from supervisor._checkpoints.store import End, Renewal, RunStatus
from supervisor.errors import LeaseLost, StoreUnavailable
from tests.unit.checkpoints.noted import NotedStore
from tests.unit.checkpoints.owning import Owning


def renewer_of(made: Owning, is_allowed: Callable[[], bool] = lambda: True) -> LeaseRenewer:
    """Return a renewer that renews this run when it is told to."""
    renewer = LeaseRenewer(cast(Any, made.store.clone), 10.0, is_allowed)
    renewer.owner = "me"
    renewer._runs[made.run.id] = made.run  # without its thread
    return renewer


async def test_a_renewal_lengthens_the_lease() -> None:
    """A lease lasts from the moment at which its renewal was asked for."""
    made = Owning(NotedStore())
    renewer = renewer_of(made)
    made.time.seconds += 9
    renewer.look(cast(Any, made.store))
    made.time.seconds += 9
    assert made.run.may_act
    assert made.store.renewed == [{"r": 7}]


async def test_from_abandon_on_nothing_is_renewed() -> None:
    """What refuses to end loses its lease, and then its run."""
    made = Owning(NotedStore())
    renewer = renewer_of(made, lambda: False)
    made.time.seconds += 9
    renewer.look(cast(Any, made.store))
    assert made.store.renewed == []
    made.time.seconds += 9
    renewer.look(cast(Any, made.store))
    await asyncio.sleep(0)
    assert [type(error) for error in made.errors] == [LeaseLost]


async def test_who_has_lost_a_run_is_told() -> None:
    """A run that is somebody else's fails with LeaseLost, once."""
    made = Owning(NotedStore())
    renewer = renewer_of(made)
    made.store.renewal = Renewal(lost=frozenset({"r"}))
    renewer.look(cast(Any, made.store))
    renewer.look(cast(Any, made.store))
    await asyncio.sleep(0)
    assert [type(error) for error in made.errors] == [LeaseLost]


async def test_a_run_that_is_being_given_up_is_not_lost() -> None:
    """A renewal that comes after the last commit, and finds nobody's run, is no failure."""
    made = Owning(NotedStore())
    renewer = renewer_of(made)
    await made.run.give_up(End(status=RunStatus.COMPLETED))
    await made.thread.aclose()
    made.store.renewal = Renewal(lost=frozenset({"r"}))
    renewer.look(cast(Any, made.store))
    await asyncio.sleep(0)
    assert made.errors == []


async def test_a_request_to_cancel_is_heard() -> None:
    """The owner is told of a request to cancel with the next renewal."""
    made = Owning(NotedStore())
    made.store.renewal = Renewal(cancelled=frozenset({"r"}))
    renewer_of(made).look(cast(Any, made.store))
    await asyncio.sleep(0)
    assert made.cancelled == 1


async def test_without_the_store_the_run_goes_on_while_there_is_time() -> None:
    """A store that is away for a moment costs nothing; just before the lease ends, the run."""
    made = Owning(NotedStore())
    renewer = renewer_of(made)
    made.store.is_down = True
    made.time.seconds += 6
    renewer.look(cast(Any, made.store))
    await asyncio.sleep(0)
    assert made.errors == []
    made.time.seconds += 1.5
    renewer.look(cast(Any, made.store))
    await asyncio.sleep(0)
    assert [type(error) for error in made.errors] == [StoreUnavailable]


async def test_its_thread_begins_with_the_first_run_and_ends() -> None:
    """The thread renews by itself, and lets go of its store at its end."""
    made = Owning(NotedStore())
    renewer = LeaseRenewer(cast(Any, made.store.clone), 0.03, lambda: True)
    renewer.owner = "me"
    renewer.add(made.run)
    assert await asyncio.to_thread(made.store.has_renewed.wait, 10)
    await renewer.aclose()
    assert made.store.is_closed.is_set()
    assert "supervisor-leases" not in {thread.name for thread in threading.enumerate()}


async def test_an_error_that_would_end_its_thread_is_the_stores() -> None:
    """A user's store may raise anything; the run fails in time, as with a store that is down."""
    made = Owning(NotedStore())
    renewer = renewer_of(made)
    made.store.renewal = cast(Any, None)
    made.time.seconds += 7.5
    renewer.look(cast(Any, made.store))
    await asyncio.sleep(0)
    assert len(made.errors) == 1


async def test_a_forked_child_does_not_end_its_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread stays with the parent, whatever a child does with its copy."""
    made = Owning(NotedStore())
    renewer = renewer_of(made)
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: -1)
        await renewer.aclose()
    assert not renewer._is_closed
    await renewer.aclose()
    assert renewer._is_closed


async def test_one_that_was_given_up_meanwhile_is_not_lost() -> None:
    """Between the answer of the store and its consequence the run may have been given up."""
    made = Owning(NotedStore())
    renewer = renewer_of(made)
    renewer.remove(made.run.id)
    renewer._drop(made.run, None)
    await asyncio.sleep(0)
    assert made.errors == []

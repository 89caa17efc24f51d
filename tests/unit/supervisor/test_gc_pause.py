"""Python's garbage collector is off while very many runs are stopped, and on again after that."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator

import pytest

from supervisor._supervisor.gc_pause import MANY, SECONDS, GcPause


@pytest.fixture(autouse=True)
def _collects() -> Generator[None]:
    assert gc.isenabled()
    yield
    gc.enable()


def test_few_runs_leave_the_collector_alone() -> None:
    """Up to a hundred runs the collector is not touched."""
    pause = GcPause()
    pause.begin(MANY, now=5.0)
    assert gc.isenabled()
    assert pause.until is None


def test_many_runs_switch_it_off_until_the_end() -> None:
    """With more it is off until the pause ends."""
    pause = GcPause()
    pause.begin(MANY + 1, now=5.0)
    assert not gc.isenabled()
    pause.end()
    assert gc.isenabled()
    assert pause.until is None


def test_it_is_off_for_a_second_at_most() -> None:
    """Where the runs take longer it is switched on after a second, and not off again."""
    pause = GcPause()
    pause.begin(MANY + 1, now=5.0)
    pause.look(5.0 + SECONDS / 2)
    assert not gc.isenabled()
    assert pause.until == 5.0 + SECONDS
    pause.look(5.0 + SECONDS)
    assert gc.isenabled()
    pause.begin(MANY + 1, now=7.0)
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    """Where the program has switched it off, that is how it is left."""
    gc.disable()
    pause = GcPause()
    pause.begin(MANY + 1, now=5.0)
    pause.end()
    assert not gc.isenabled()


def test_a_second_pause_leaves_the_first_alone() -> None:
    """Of two supervisors that stop at once only the one that switched it off switches it on."""
    first, second = GcPause(), GcPause()
    first.begin(MANY + 1, now=5.0)
    second.begin(MANY + 1, now=5.0)
    second.end()
    assert not gc.isenabled()
    first.end()
    assert gc.isenabled()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_that_is_forked_meanwhile_collects() -> None:
    """A child made by fork in the pause has its collector on."""
    pause = GcPause()
    pause.begin(MANY + 1, now=5.0)
    child = os.fork()
    if child == 0:
        os._exit(0 if gc.isenabled() else 1)
    pause.end()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

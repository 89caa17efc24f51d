"""What the writer of a run does with errors: how often it tries, and what it tells to whom."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from supervisor._checkpoints import run_writer
from supervisor._checkpoints.store import End, Renewal, RunInfo, RunStatus
from supervisor.errors import LeaseLost, StoreUnavailable
from tests.unit.checkpoints.noted import NotedStore, unavailable
from tests.unit.checkpoints.owning import Owning, a_call, at_turn
from tests.unit.checkpoints.run_infos import run_info, stopped_info

STOPPED = End(status=RunStatus.STOPPED, stop_reason="Enough")


async def test_the_pauses_between_tries_grow_to_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is away is asked at once again, then less often, until time is short."""
    made, pauses = Owning(NotedStore(*[unavailable()] * 100)), list[float]()

    def pause(seconds: float, _is_over: Callable[[], bool]) -> None:
        pauses.append(seconds)
        made.time.seconds += seconds

    monkeypatch.setattr(made.thread, "pause", pause)
    made.run.commit(at_turn(1, "one"), ())
    with pytest.raises(StoreUnavailable):
        await made.run.when_durable()
    await made.thread.aclose()
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, *[1.0] * 6]


async def test_a_pause_ends_when_the_run_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """ABANDON does not wait until it is time for the next try."""
    monkeypatch.setattr(run_writer, "_FIRST_PAUSE", 60.0)
    made, is_pausing = Owning(NotedStore(unavailable())), threading.Event()
    pause = made.thread.pause

    def noted(seconds: float, is_over: Callable[[], bool]) -> None:
        def look() -> bool:
            is_pausing.set()
            return is_over()

        pause(seconds, look)

    monkeypatch.setattr(made.thread, "pause", noted)
    outcome = made.run.give_up(STOPPED)
    assert is_pausing.wait(20)
    with made.thread._changed:  # not before the thread lets go of it, to wait
        pass
    made.run.abandon()
    await outcome
    assert made.store.commits[0].end == STOPPED
    await made.thread.aclose()


async def test_the_end_of_a_run_that_has_failed_is_tried_once() -> None:
    """Who has failed and is given up does not wait for a store that is away as well."""
    made = Owning(NotedStore(RuntimeError("out of order"), *[unavailable()] * 100))
    made.run.commit(at_turn(1, "one"), ())
    with pytest.raises(RuntimeError):
        await made.run.when_durable()
    with pytest.raises(StoreUnavailable):
        await made.run.give_up(STOPPED)
    await made.thread.aclose()
    assert len(made.store.errors) == 99


async def test_a_run_that_was_lost_elsewhere_writes_nothing() -> None:
    """Whoever waits gets the first error, though the store would write."""
    made = Owning(NotedStore())
    made.run.lose(StoreUnavailable("noted:///", "it does not renew"))
    made.run.lose(LeaseLost("r"))
    with pytest.raises(StoreUnavailable, match="it does not renew"):
        await made.run.begin_calls(at_turn(0), [a_call("c")])
    await made.thread.aclose()
    assert made.store.commits == []


# -- a try whose answer did not come ---------------------------------------------------------------


def _refused(row: RunInfo) -> Owning:
    """Return a run whose first try gets no answer, and whose second one finds this row."""
    made = Owning(NotedStore(unavailable(), LeaseLost("r")))  # type: ignore[arg-type]
    made.store.row = row
    return made


@pytest.mark.parametrize(
    "row",
    [run_info(turn=0), run_info(turn=2), run_info(turn=1, owner="another"), stopped_info(turn=1)],
    ids=["before it", "after it", "another's", "nobody's"],
)
async def test_a_turn_that_is_not_there_was_not_written(row: RunInfo) -> None:
    """The run is lost, unless its row has just this turn, and this owner."""
    made = _refused(row)
    made.run.commit(at_turn(1, "one"), ())
    with pytest.raises(LeaseLost):
        await made.run.when_durable()
    await made.thread.aclose()


async def test_calls_of_a_turn_that_is_there_were_not_written_with_it() -> None:
    """The row does not tell whether calls are there, so they may not begin."""
    made = _refused(run_info(turn=0))
    with pytest.raises(LeaseLost):
        await made.run.begin_calls(at_turn(0), [a_call("c")])
    await made.thread.aclose()


async def test_a_first_try_that_is_refused_was_not_written() -> None:
    """What stands in the row is by somebody else, for there was no try before."""
    made = Owning(NotedStore(LeaseLost("r")))  # type: ignore[arg-type]
    made.store.row = run_info(turn=1)
    made.run.commit(at_turn(1, "one"), ())
    with pytest.raises(LeaseLost):
        await made.run.when_durable()
    await made.thread.aclose()


async def test_an_end_that_is_there_was_written() -> None:
    """A run that is given up is nobody's, and has the status that it was given."""
    made = _refused(stopped_info())
    await made.run.give_up(STOPPED)
    await made.thread.aclose()


@pytest.mark.parametrize(
    "row",
    [run_info(status=RunStatus.STOPPED, owner="another"), stopped_info(error="x")],
    ids=["taken since", "another end"],
)
async def test_an_end_that_is_not_there_was_not_written(row: RunInfo) -> None:
    """Somebody else has taken the run, or has ended it otherwise."""
    made = _refused(row)
    end = STOPPED if row.owner else End(status=RunStatus.FAILED, error="y")
    with pytest.raises(LeaseLost):
        await made.run.give_up(end)
    await made.thread.aclose()


# -- leases ----------------------------------------------------------------------------------------


async def test_a_lease_that_goes_on_is_not_renewed_for_a_tool() -> None:
    """The store is asked only where somebody else may have the run by now."""
    made = Owning(NotedStore())
    await made.run.begin_calls(at_turn(0), [a_call("c")])
    await made.thread.aclose()
    assert made.store.renewed == []


async def test_a_lease_that_cannot_be_renewed_keeps_a_tool_from_starting() -> None:
    """Somebody else has the run."""
    made = Owning(NotedStore())
    made.time.seconds += 11
    made.store.renewal = Renewal(lost=frozenset({"r"}))
    with pytest.raises(LeaseLost):
        await made.run.begin_calls(at_turn(0), [a_call("c")])
    await made.thread.aclose()
    assert not made.run.may_act

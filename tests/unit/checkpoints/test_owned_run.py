"""A run that is owned: written in order by a thread, tried again, and given up."""

from __future__ import annotations

import os

import pytest

from supervisor._checkpoints.store import Commit, End, Renewal, RunStatus
from supervisor.errors import LeaseLost, StoreUnavailable
from tests.unit.checkpoints.noted import NotedStore, unavailable
from tests.unit.checkpoints.owning import Owning, a_call, at_turn, bodies
from tests.unit.checkpoints.run_infos import run_info, stopped_info

STOPPED = End(status=RunStatus.STOPPED, stop_reason="Enough")


async def test_turns_are_written_in_order_by_one_thread() -> None:
    """Each turn is written in the store's thread, with the turn at which the row stood before."""
    made = Owning(NotedStore())
    made.run.commit(at_turn(1, "one"), ())
    await made.run.when_durable()
    made.run.commit(at_turn(2, "two"), ())
    await made.run.give_up(STOPPED)
    await made.thread.aclose()
    turns = [(commit.expects, commit.turn) for commit in made.store.commits]
    assert turns[:2] == [(0, 1), (1, 2)]
    assert bodies(made.store) == ['"one"', '"two"']
    assert made.store.threads == {"supervisor-checkpoints"}
    assert made.store.commits[-1].end == STOPPED


async def test_what_waits_is_written_in_one_transaction() -> None:
    """What has come while the store was busy is joined to one commit."""
    made = Owning(NotedStore())
    made.store.may_write.clear()
    made.run.commit(at_turn(1, "one"), ())
    for turn, item in ((2, "two"), (3, "three"), (4, "four")):
        made.run.commit(at_turn(turn, item), ())
    made.store.may_write.set()
    await made.run.give_up(STOPPED)
    await made.thread.aclose()
    assert len(made.store.commits) <= 3
    assert bodies(made.store) == ['"one"', '"two"', '"three"', '"four"']


async def test_a_store_that_does_not_answer_is_tried_again() -> None:
    """A commit that has failed is made again as it was, and what follows comes behind it."""
    made = Owning(NotedStore(unavailable(), unavailable()))
    made.run.commit(at_turn(1, "one"), ())
    await made.run.give_up(STOPPED)
    await made.thread.aclose()
    assert bodies(made.store) == ['"one"']
    assert made.errors == []


async def test_before_the_lease_ends_the_run_is_told() -> None:
    """Where there is just the time left to stop, the writer gives up, and tools never start."""
    made = Owning(NotedStore(*[unavailable()] * 3))
    made.time.seconds += 7.5
    begun = made.run.begin_calls(at_turn(0), [a_call("c")])
    with pytest.raises(StoreUnavailable):
        await begun
    assert [type(error) for error in made.errors] == [StoreUnavailable]
    assert not made.run.may_act
    await made.thread.aclose()


class FullStore(NotedStore):
    """A store that cannot write: each try takes four seconds, and the lease is renewed."""

    made: Owning

    def commit(self, _run_id: str, _fence: int, commit: Commit) -> None:
        """Fail."""
        self.made.time.seconds += 4
        self.made.lease.renew(self.made.time())
        self.errors.append(unavailable())
        super().commit(_run_id, _fence, commit)


async def test_a_store_that_is_read_and_not_written_is_given_up() -> None:
    """A full disk lets leases be renewed; the writer gives up after the time of one."""
    store = FullStore()
    store.made = made = Owning(store)
    made.run.commit(at_turn(1, "one"), ())
    with pytest.raises(StoreUnavailable):
        await made.run.when_durable()
    assert made.time.seconds == 108.0
    assert [type(error) for error in made.errors] == [StoreUnavailable]
    await made.thread.aclose()


async def test_a_run_that_is_given_up_after_an_outage_is_tried_once() -> None:
    """The end is written if the store answers again; what was lost before it stays lost."""
    made = Owning(NotedStore(unavailable()))
    made.time.seconds += 7.5
    made.run.commit(at_turn(1, "one"), ())
    with pytest.raises(StoreUnavailable):
        await made.run.when_durable()
    await made.run.give_up(STOPPED)
    await made.thread.aclose()
    assert [commit.end for commit in made.store.commits] == [STOPPED]
    assert made.store.commits[0].turn == 0


async def test_who_has_lost_a_run_writes_nothing_more() -> None:
    """After LeaseLost nothing is tried, and whoever waits gets that error."""
    made = Owning(NotedStore(LeaseLost("r")))  # type: ignore[arg-type]
    made.run.commit(at_turn(1, "one"), ())
    with pytest.raises(LeaseLost):
        await made.run.when_durable()
    with pytest.raises(LeaseLost):
        await made.run.begin_calls(at_turn(1), [a_call("c")])
    with pytest.raises(LeaseLost):
        await made.run.give_up(STOPPED)
    await made.thread.aclose()
    assert [type(error) for error in made.errors] == [LeaseLost]
    assert made.store.commits == []


async def test_a_commit_whose_answer_was_lost_is_not_taken_for_a_lost_run() -> None:
    """The store has written a try and then failed: the next try finds its own turn there."""
    made = Owning(NotedStore(unavailable(), LeaseLost("r")))  # type: ignore[arg-type]
    made.store.row = run_info(turn=1)
    made.run.commit(at_turn(1, "one"), ())
    await made.run.when_durable()
    await made.thread.aclose()
    assert made.errors == []


async def test_an_end_whose_answer_was_lost_is_not_taken_for_a_lost_run() -> None:
    """The next try finds the run at rest, as its own end has left it."""
    made = Owning(NotedStore(unavailable(), LeaseLost("r")))  # type: ignore[arg-type]
    made.store.row = stopped_info()
    await made.run.give_up(STOPPED)
    await made.thread.aclose()
    assert made.errors == []


async def test_an_abandoned_run_is_not_tried_again() -> None:
    """At ABANDON the pause between two tries ends, and so does the try after it."""
    made = Owning(NotedStore(*[unavailable()] * 100))
    outcome = made.run.give_up(STOPPED)
    made.run.abandon()
    with pytest.raises(StoreUnavailable):
        await outcome
    await made.thread.aclose()


async def test_calls_and_their_results_are_joined() -> None:
    """A call has its result, one that has not begun is dropped, and old ones go with their turn."""
    made = Owning(NotedStore())
    await made.run.begin_calls(at_turn(0), [a_call("a"), a_call("b")])
    made.run.end_call("a", '"done"')
    made.run.drop_call("b")
    await made.run.when_durable()
    made.run.commit(at_turn(1, "one"), ())
    made.run.end_call("a", '"late"')  # of a turn that is over
    await made.run.give_up(STOPPED)
    await made.thread.aclose()
    first, *others = made.store.commits
    assert [call.id for call in first.calls] == ["a", "b"]
    assert [(call.id, call.result) for commit in others for call in commit.calls] == [
        ("a", '"done"')
    ]
    assert sorted(call for commit in others for call in commit.dropped) == ["a", "b"]


async def test_what_is_kept_until_the_end_is_written_with_it() -> None:
    """With "exit" nothing is written before the run is given up."""
    made = Owning(NotedStore(), writes_late=True)
    made.run.commit(at_turn(1, "one"), ())
    made.run.commit(at_turn(2, "two"), ())
    await made.thread.call(lambda _store: None)
    assert made.store.commits == []
    await made.run.give_up(STOPPED)
    await made.thread.aclose()
    [commit] = made.store.commits
    assert (commit.expects, commit.turn, commit.end) == (0, 2, STOPPED)


async def test_queued_means_at_rest_where_nobody_serves_the_store() -> None:
    """A run that is left to a fleet is stopped, where there is none."""
    queued = End(status=RunStatus.QUEUED)
    for has_fleet, status in ((False, RunStatus.STOPPED), (True, RunStatus.QUEUED)):
        made = Owning(NotedStore())
        made.store.has_fleet = has_fleet
        await made.run.give_up(queued)
        await made.thread.aclose()
        [commit] = made.store.commits
        assert commit.end is not None
        assert commit.end.status is status


async def test_a_fork_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a child of a fork the run is not owned: no tool may start, and nothing is written."""
    made = Owning(NotedStore())
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert not made.run.may_act
    for _ in range(2):
        with pytest.raises(LeaseLost):
            await made.run.begin_calls(at_turn(0), [a_call("c")])
    assert made.store.commits == []
    assert [type(error) for error in made.errors] == [LeaseLost]


async def test_a_lease_that_ran_out_is_renewed_before_a_tool_starts() -> None:
    """A process that was suspended asks the store whether the run is still its own."""
    made = Owning(NotedStore())
    made.time.seconds += 11
    before = made.run.may_act
    await made.run.begin_calls(at_turn(0), [a_call("c")])
    assert (before, made.run.may_act) == (False, True)
    assert made.store.renewed == [{"r": 7}]
    await made.thread.aclose()


async def test_a_tool_does_not_start_where_another_has_the_run_by_now() -> None:
    """The store says that the lease is lost, and the run ends with that."""
    made = Owning(NotedStore())
    made.store.renewal = Renewal(lost=frozenset({"r"}))
    made.time.seconds += 11
    with pytest.raises(LeaseLost):
        await made.run.begin_calls(at_turn(0), [a_call("c")])
    await made.thread.aclose()
    assert [type(error) for error in made.errors] == [LeaseLost]


async def test_what_could_not_be_written_goes_with_the_natural_end() -> None:
    """A run that is completed has all its turns, also one whose commit had failed."""
    made = Owning(NotedStore(RuntimeError("out of order")))
    made.run.commit(at_turn(1, "one"), ())
    with pytest.raises(RuntimeError):
        await made.run.when_durable()
    await made.run.give_up(End(status=RunStatus.COMPLETED), at_turn(2, "two"))
    await made.thread.aclose()
    (commit,) = made.store.commits
    assert (commit.expects, commit.turn) == (0, 2)
    assert [(entry.pos, entry.body) for entry in commit.entries] == [(0, '"one"'), (1, '"two"')]


async def test_what_could_not_be_written_does_not_keep_a_run_from_being_given_up() -> None:
    """A stop writes how the run ends and nothing else, for the same error could come again."""
    made = Owning(NotedStore(RuntimeError("out of order")))
    made.run.commit(at_turn(1, "one"), ())
    with pytest.raises(RuntimeError):
        await made.run.when_durable()
    await made.run.give_up(STOPPED)
    await made.thread.aclose()
    (commit,) = made.store.commits
    assert (commit.turn, commit.state, commit.entries, commit.end) == (0, None, (), STOPPED)


async def test_a_run_that_fails_again_as_it_is_given_up_has_failed_once() -> None:
    """Whoever waits for the end gets the second error; the run was told of the first."""
    made = Owning(NotedStore(RuntimeError("first"), RuntimeError("second")))
    made.run.commit(at_turn(1, "one"), ())
    with pytest.raises(RuntimeError, match="first"):
        await made.run.when_durable()
    with pytest.raises(RuntimeError, match="second"):
        await made.run.give_up(STOPPED)
    await made.thread.aclose()
    assert [str(error) for error in made.errors] == ["first"]


@pytest.mark.parametrize("error", [StopIteration(), StopAsyncIteration(), SystemExit(1)])
async def test_what_would_end_a_loop_is_no_error_of_a_store(error: BaseException) -> None:
    """A user's store may raise anything: whoever waits gets an error that says what it was."""
    store = NotedStore()
    store.errors.append(error)
    made = Owning(store)
    made.run.commit(at_turn(1, "one"), ())
    with pytest.raises(StoreUnavailable, match=f"it has raised {type(error).__name__}"):
        await made.run.when_durable()
    with pytest.raises(StoreUnavailable, match=f"it has raised {type(error).__name__}"):
        await made.thread.call(lambda _: _raise(error))
    await made.thread.aclose()


def _raise(error: BaseException) -> None:
    raise error

"""What each store of runs promises: the tests of the protocol, written once.

A test module of a store makes a class of `StoreContract`, and gives it the fixture `stores`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from supervisor._checkpoints.integrity import Sealed, Sealer, check
from supervisor._checkpoints.rows import to_column
from supervisor._checkpoints.schema import FORMAT
from supervisor._checkpoints.snapshot import LogChange, Snapshot
from supervisor._checkpoints.store import (
    CallRecord,
    CheckpointStore,
    Commit,
    End,
    Entry,
    NewRun,
    RunStatus,
)
from supervisor.errors import (
    CheckpointCorrupt,
    CheckpointTooNew,
    LeaseLost,
    RunHeld,
    RunNotFound,
    UsageError,
)

NEW = NewRun(team="Writers", shape='{"class": "Team"}', task='["Write"]')
AT_REST = [RunStatus.STOPPED, RunStatus.FAILED, RunStatus.CANCELLED]
ODD_NAMES = [
    "a\0b",
    "half a pair \ud800",
    r"\u0000",
    "\\",
    "é ü 中",
    "'; DROP TABLE sv_run; --",
    " ",
]
LEASE = 1000.0


@dataclass(frozen=True)
class Stores:
    """Objects on one store.

    Args:
        open: Makes another one, as another process would have it.
        execute: Executes a statement behind the store's back; its values stand as `?`.
    """

    open: Callable[[], CheckpointStore]
    execute: Callable[..., Any]


def call(call_id: str, *, result: str | None = None, tool: str = "search") -> CallRecord:
    """Return a call."""
    return CallRecord(
        id=call_id,
        kind="tool",
        turn=0,
        agent="writer",
        tool=tool,
        arguments='{"q": 1}',
        fence=1,
        result=result,
    )


def leave(
    store: CheckpointStore, run_id: str, status: RunStatus, *, error: str | None = None
) -> None:
    """Begin or go on with a run, and give it up."""
    fence = store.acquire(run_id, "owner", LEASE, new=NEW).fence
    assert fence is not None
    turn = store.info(run_id).turn
    store.commit(
        run_id, fence, Commit(expects=turn, turn=turn, end=End(status=status, error=error))
    )


def die(stores: Stores, run_id: str, owner: str = "dead") -> int:
    """Begin or go on with a run as an owner who is dead afterwards; return its fence."""
    store = stores.open()
    # Where the kernel tells nothing, its lease is over at once.
    fence = store.acquire(run_id, owner, -1, new=NEW).fence
    store.close()
    assert fence is not None
    return fence


def take(store: CheckpointStore, run_id: str = "run", owner: str = "owner") -> int:
    """Begin or go on with a run."""
    fence = store.acquire(run_id, owner, LEASE, new=NEW).fence
    assert fence is not None
    return fence


class StoreContract:
    """The tests of one store."""

    @pytest.fixture
    def store(self, stores: Stores) -> CheckpointStore:
        """Return a store that is set up."""
        store = stores.open()
        store.setup()
        return store

    # --- a run is made, taken and given up ------------------------------------------------------

    def test_submits_a_run_once(self, store: CheckpointStore) -> None:
        """A run that is submitted is queued; one of the same id changes nothing."""
        assert store.submit("run", NEW)
        assert not store.submit("run", replace(NEW, team="Others"))
        info = store.info("run")
        assert (info.status, info.team, info.turn, info.attempts) == ("queued", "Writers", 0, 0)
        assert (info.owner, info.held_until, info.failures) == (None, None, 0)

    def test_begins_a_run(self, store: CheckpointStore) -> None:
        """Who takes a run that is not there begins it, and is told what it was before."""
        acquired = store.acquire("run", "owner", LEASE, new=NEW)
        assert acquired.fence == 1
        assert (acquired.info.status, acquired.info.attempts) == (RunStatus.QUEUED, 0)
        info = store.info("run")
        assert (info.status, info.owner, info.attempts) == (RunStatus.RUNNING, "owner", 1)
        assert (info.held_until is None) == store.sees_owners
        assert info.held_until is None or info.held_until > info.updated

    def test_keeps_what_a_run_was_made_of(self, store: CheckpointStore) -> None:
        """The team, its shape and the task are those of the first call."""
        store.submit("run", NEW)
        store.acquire("run", "owner", LEASE, new=NewRun(team="x", shape="[]", task="[]"))
        stored = store.load("run")
        assert (stored.info.team, stored.shape, stored.task) == (NEW.team, NEW.shape, NEW.task)
        assert (stored.state, stored.digest, stored.logs, stored.calls) == (None, None, {}, [])

    def test_tells_of_a_run_that_is_not_there(self, store: CheckpointStore) -> None:
        """Each method that needs a run says that there is none."""
        for method in (store.info, store.load, store.request_cancel, store.requeue, store.forget):
            with pytest.raises(RunNotFound, match="no run 'absent'"):
                method("absent")
        with pytest.raises(RunNotFound):
            store.acquire("absent", "owner", LEASE)

    @pytest.mark.parametrize("owner", ["owner", "another"])
    def test_gives_a_run_to_one_owner(
        self, store: CheckpointStore, stores: Stores, owner: str
    ) -> None:
        """A run that somebody has is refused to everybody, the owner itself included."""
        take(store)
        for other in (store, store.clone(), stores.open()):
            with pytest.raises(RunHeld) as caught:
                other.acquire("run", owner, LEASE, new=NEW)
            assert caught.value.owner == "owner"
            other.close() if other is not store else None

    @pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.STOPPED, RunStatus.FAILED])
    def test_gives_a_run_on(self, store: CheckpointStore, status: RunStatus) -> None:
        """A run that was given up and is not at its end is the next owner's, under a new fence."""
        leave(store, "run", status)
        assert store.info("run").owner is None
        acquired = store.acquire("run", "next", LEASE)
        assert (acquired.fence, acquired.info.status) == (2, status)
        assert store.info("run").attempts == 2

    @pytest.mark.parametrize("status", [RunStatus.COMPLETED, RunStatus.CANCELLED])
    def test_gives_nobody_a_run_at_its_end(self, store: CheckpointStore, status: RunStatus) -> None:
        """A run that is completed or cancelled is shown, and not owned."""
        leave(store, "run", status)
        acquired = store.acquire("run", "next", LEASE, new=NEW)
        assert (acquired.fence, acquired.info.status) == (None, status)
        assert store.info("run").owner is None

    def test_gives_on_a_run_whose_owner_died(self, store: CheckpointStore, stores: Stores) -> None:
        """The next owner is told of the death, which counts as a failure."""
        die(stores, "run")
        info = store.info("run")
        assert (info.status, info.owner, info.held_until) == (RunStatus.RUNNING, None, None)
        acquired = store.acquire("run", "next", LEASE)
        assert (acquired.fence, acquired.info.status) == (2, RunStatus.RUNNING)
        info = store.info("run")
        assert (info.failures, info.error) == (1, "its owner, dead, died")

    # --- what is written ------------------------------------------------------------------------

    def test_keeps_what_is_committed(self, store: CheckpointStore, stores: Stores) -> None:
        """The turn, the state, its digest and the rows of logs are there for everybody."""
        fence = take(store)
        entries = [Entry("b", 0, "0"), Entry("a", 0, "1"), Entry("b", 1, "2")]
        store.commit(
            "run", fence, Commit(expects=0, turn=1, state="{}", digest="d", entries=entries)
        )
        stored = stores.open().load("run")
        assert (stored.info.turn, stored.state, stored.digest) == (1, "{}", "d")
        assert stored.logs == {"a": ["1"], "b": ["0", "2"]}

    def test_replaces_rows_and_leaves_the_rest(self, store: CheckpointStore) -> None:
        """A row that is there already is replaced; what a commit does not name stays."""
        fence = take(store)
        first = [Entry("log", place, str(place)) for place in range(3)]
        store.commit("run", fence, Commit(expects=0, turn=1, state="1", digest="d", entries=first))
        store.commit("run", fence, Commit(expects=1, turn=1, entries=[Entry("log", 1, "new")]))
        stored = store.load("run")
        assert (stored.logs, stored.state, stored.digest) == ({"log": ["0", "new", "2"]}, "1", "d")

    @pytest.mark.parametrize(("fence", "expects"), [(0, 0), (2, 0), (1, 1)])
    def test_refuses_a_commit_of_another_fence_or_turn(
        self, store: CheckpointStore, fence: int, expects: int
    ) -> None:
        """Such a commit raises LeaseLost, and nothing of it is written."""
        take(store)
        before = store.load("run")
        refused = Commit(
            expects=expects,
            turn=expects + 1,
            state="x",
            entries=[Entry("log", 0, "x")],
            calls=[call("c")],
            end=End(status=RunStatus.COMPLETED),
        )
        with pytest.raises(LeaseLost):
            store.commit("run", fence, refused)
        assert store.load("run") == before

    def test_refuses_what_the_owner_before_writes(
        self, store: CheckpointStore, stores: Stores
    ) -> None:
        """An owner whose run was taken over writes nothing any more."""
        old = die(stores, "run")
        new = take(store)
        with pytest.raises(LeaseLost):
            store.commit("run", old, Commit(expects=0, turn=1))
        store.commit("run", new, Commit(expects=0, turn=1))

    def test_refuses_a_commit_after_the_end(self, store: CheckpointStore) -> None:
        """An owner that has given a run up writes nothing any more."""
        leave(store, "run", RunStatus.STOPPED)
        with pytest.raises(LeaseLost):
            store.commit("run", 1, Commit(expects=0, turn=1))

    def test_keeps_calls_in_their_order(self, store: CheckpointStore) -> None:
        """A call gets its result in its place; one that is dropped is gone."""
        fence = take(store)
        began = [call(name) for name in ("z", "a", "m")]
        store.commit("run", fence, Commit(expects=0, turn=0, calls=began[:2]))
        store.commit("run", fence, Commit(expects=0, turn=0, calls=began[2:]))
        ended = call("z", result='"found"')
        store.commit("run", fence, Commit(expects=0, turn=0, calls=[ended], dropped=["a"]))
        assert store.load("run").calls == [ended, call("m")]

    @pytest.mark.parametrize("status", [*AT_REST, RunStatus.QUEUED, RunStatus.COMPLETED])
    def test_gives_a_run_up(self, store: CheckpointStore, status: RunStatus) -> None:
        """The end is written with the last commit: status, reason, error, and nobody has it."""
        fence = take(store)
        end = End(status=status, stop_reason="said so", error="E: x")
        store.commit("run", fence, Commit(expects=0, turn=1, state="1", digest="d", end=end))
        info = store.info("run")
        assert (info.status, info.owner, info.held_until) == (status, None, None)
        assert (info.stop_reason, info.error, info.turn) == ("said so", "E: x", 1)

    def test_counts_failures_in_a_row(self, store: CheckpointStore, stores: Stores) -> None:
        """Errors and deaths count, hand-overs do not, and a finished turn begins anew."""
        leave(store, "run", RunStatus.QUEUED, error="E")
        leave(store, "run", RunStatus.QUEUED)
        leave(store, "run", RunStatus.FAILED, error="E")
        assert store.info("run").failures == 2
        die(stores, "run")
        fence = take(store)
        assert store.info("run").failures == 3
        store.commit("run", fence, Commit(expects=0, turn=0, calls=[call("c")]))
        assert store.info("run").failures == 3
        store.commit("run", fence, Commit(expects=0, turn=1))
        assert store.info("run").failures == 0

    # --- leases ---------------------------------------------------------------------------------

    def test_tells_an_owner_what_it_has_lost(self, store: CheckpointStore, stores: Stores) -> None:
        """A run that has another owner, none or another fence, or is not there, is lost."""
        for run_id in ("mine", "given up"):
            take(store, run_id)
        store.commit("given up", 1, Commit(expects=0, turn=0, end=End(status=RunStatus.QUEUED)))
        die(stores, "taken over", "dead")
        take(store, "taken over", "another")
        assert store.renew("dead", {"taken over": 1}, LEASE).lost == {"taken over"}
        fences = {"mine": 1, "given up": 1, "taken over": 2, "absent": 1}
        other = store.clone()
        renewal = other.renew("owner", fences, LEASE)
        other.close()
        assert renewal.lost == fences.keys() - {"mine"}
        assert renewal.cancelled == frozenset()
        assert store.renew("owner", {"mine": 2}, LEASE).lost == {"mine"}

    def test_lengthens_a_lease(self, store: CheckpointStore, stores: Stores) -> None:
        """An owner that renews its lease keeps its run, even after its end."""
        if store.sees_owners:
            pytest.skip("the kernel tells who lives")
        die(stores, "run")
        assert store.wanting() == ["run"]
        assert store.renew("dead", {"run": 1}, LEASE).lost == frozenset()
        with pytest.raises(RunHeld):
            store.acquire("run", "next", LEASE)
        assert store.wanting() == []

    def test_frees_what_a_closed_store_had(self, store: CheckpointStore, stores: Stores) -> None:
        """Where the kernel tells, an owner's runs are free as soon as its store is closed."""
        if not store.sees_owners:
            pytest.skip("a lease tells who lives")
        other = stores.open()
        take(other, "run", "other")
        other.clone().close()
        assert store.info("run").owner == "other"
        other.close()
        assert store.wanting() == ["run"]

    # --- what is told ---------------------------------------------------------------------------

    def test_lists_runs(self, store: CheckpointStore) -> None:
        """The last one updated comes first, and statuses choose among them."""
        for run_id, status in zip("abc", [RunStatus.STOPPED, RunStatus.QUEUED, "x"], strict=True):
            leave(store, run_id, RunStatus.STOPPED if status == "x" else RunStatus(status))
        leave(store, "a", RunStatus.STOPPED)
        assert [info.id for info in store.list()] == ["a", "c", "b"]
        assert [info.id for info in store.list([RunStatus.STOPPED])] == ["a", "c"]
        assert [info.id for info in store.list([RunStatus.QUEUED, RunStatus.FAILED])] == ["b"]
        assert store.list([]) == []

    def test_names_the_runs_that_want_an_owner(
        self, store: CheckpointStore, stores: Stores
    ) -> None:
        """They are queued, or their owner has died; the one that waits longest comes first."""
        die(stores, "died")
        store.submit("queued", NEW)
        take(store, "held")
        for status in [*AT_REST, RunStatus.COMPLETED]:
            leave(store, str(status), status)
        assert store.wanting() == ["died", "queued"]

    def test_notes_a_fleet(self, store: CheckpointStore, stores: Stores) -> None:
        """That workers serve the store is known to everybody, once it was said."""
        assert not store.has_fleet
        store.note_fleet()
        store.note_fleet()
        assert stores.open().has_fleet

    # --- from outside ---------------------------------------------------------------------------

    def test_asks_the_owner_to_cancel(self, store: CheckpointStore, stores: Stores) -> None:
        """The owner of a run is told at its next renewal, and at each one after it."""
        take(store)
        assert stores.open().request_cancel("run") is RunStatus.RUNNING
        assert store.info("run").is_cancel_requested
        assert store.renew("owner", {"run": 1}, LEASE).cancelled == {"run"}
        assert store.renew("owner", {"run": 1}, LEASE).cancelled == {"run"}

    @pytest.mark.parametrize("status", [RunStatus.QUEUED, *AT_REST])
    def test_cancels_a_run_that_nobody_has(self, store: CheckpointStore, status: RunStatus) -> None:
        """It is cancelled at once."""
        leave(store, "run", status)
        assert store.request_cancel("run") is RunStatus.CANCELLED
        assert store.acquire("run", "next", LEASE).fence is None

    def test_cancels_a_run_whose_owner_died(self, store: CheckpointStore, stores: Stores) -> None:
        """It is cancelled at once, and its owner, should it live, writes nothing any more."""
        fence = die(stores, "run")
        assert store.request_cancel("run") is RunStatus.CANCELLED
        with pytest.raises(LeaseLost):
            store.commit("run", fence, Commit(expects=0, turn=1))

    def test_cancels_no_run_that_is_completed(self, store: CheckpointStore) -> None:
        """It is too late."""
        leave(store, "run", RunStatus.COMPLETED)
        assert store.request_cancel("run") is RunStatus.COMPLETED

    @pytest.mark.parametrize("left_as", [*AT_REST, RunStatus.QUEUED, RunStatus.COMPLETED])
    def test_loses_no_request_to_cancel(self, store: CheckpointStore, left_as: RunStatus) -> None:
        """An owner that gives the run up before it is told leaves it cancelled, or completed."""
        fence = take(store)
        store.request_cancel("run")
        store.commit("run", fence, Commit(expects=0, turn=1, end=End(status=left_as)))
        is_completed = left_as is RunStatus.COMPLETED
        assert store.info("run").status == ("completed" if is_completed else "cancelled")

    def test_cancels_for_an_owner_that_died(self, store: CheckpointStore, stores: Stores) -> None:
        """A run that its owner was to cancel when it died is nobody's any more."""
        other = stores.open()
        other.acquire("run", "dead", -1 if not other.sees_owners else LEASE, new=NEW)
        stores.execute("UPDATE sv_run SET cancel_requested = 1")
        other.close()
        acquired = store.acquire("run", "next", LEASE)
        assert (acquired.fence, acquired.info.status) == (None, RunStatus.CANCELLED)
        assert store.info("run").status is RunStatus.CANCELLED

    @pytest.mark.parametrize("status", [RunStatus.QUEUED, *AT_REST])
    def test_queues_a_run_again(self, store: CheckpointStore, status: RunStatus) -> None:
        """Its failures and its cancellation are forgotten; what it has done is kept."""
        fence = take(store)
        end = End(status=status, error="E")
        store.commit("run", fence, Commit(expects=0, turn=1, state="1", digest="d", end=end))
        store.requeue("run")
        info = store.info("run")
        assert (info.status, info.failures, info.error, info.turn) == ("queued", 0, None, 1)
        assert store.acquire("run", "next", LEASE).fence == fence + 2

    def test_queues_no_run_that_is_held_or_completed(self, store: CheckpointStore) -> None:
        """Each is an error of its own."""
        take(store)
        with pytest.raises(RunHeld):
            store.requeue("run")
        leave(store, "completed", RunStatus.COMPLETED)
        with pytest.raises(UsageError, match="is completed"):
            store.requeue("completed")

    def test_forgets_a_run(self, store: CheckpointStore, stores: Stores) -> None:
        """All rows of it go, and those of others stay."""
        for run_id in ("run", "other"):
            commit = Commit(expects=0, turn=1, entries=[Entry("l", 0, "1")], calls=[call("c")])
            store.commit(run_id, take(store, run_id), commit)
        with pytest.raises(RunHeld):
            store.forget("run")
        store.commit("run", 1, Commit(expects=1, turn=1, end=End(status=RunStatus.STOPPED)))
        other = store.load("other")
        store.forget("run")
        with pytest.raises(RunNotFound):
            store.info("run")
        assert store.load("other") == other
        for table in ("sv_entry", "sv_call"):
            assert stores.execute(f"SELECT DISTINCT run_id FROM {table}") == [("other",)]

    def test_gives_no_fence_twice(self, store: CheckpointStore, stores: Stores) -> None:
        """Whoever had a run that was forgotten cannot write to one of the same id."""
        for name in ("one", "two", "three"):
            old = die(stores, "run", name)
        store.forget("run")
        new = take(store)
        assert new > old
        with pytest.raises(LeaseLost):
            store.commit("run", old, Commit(expects=0, turn=1))

    def test_gives_the_first_fence_once(self, store: CheckpointStore, stores: Stores) -> None:
        """That holds for a run that had a single owner, too."""
        assert die(stores, "run", "one") == 1
        store.forget("run")
        assert take(store) == 2

    def test_keeps_the_largest_fence_of_what_was_forgotten(
        self, store: CheckpointStore, stores: Stores
    ) -> None:
        """A run that was forgotten later, and had fewer owners, takes nothing back of that."""
        for name in ("one", "two", "three"):
            old = die(stores, "run", name)
        die(stores, "other", "one")
        store.forget("run")
        store.forget("other")
        assert take(store) > old

    # --- texts and formats ----------------------------------------------------------------------

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_takes_any_text(self, store: CheckpointStore, name: str) -> None:
        """Names, reasons and errors come back as they were, in each place where they stand."""
        assert store.submit(name, replace(NEW, team=name))
        fence = store.acquire(name, name, LEASE).fence
        assert fence is not None
        assert store.renew(name, {name: fence}, LEASE).lost == frozenset()
        record = replace(call(name, tool=name), agent=name)
        store.commit(name, fence, Commit(expects=0, turn=0, calls=[record]))
        end = End(status=RunStatus.FAILED, stop_reason=name, error=name)
        entries = [Entry(name, 0, "1")]
        store.commit(name, fence, Commit(expects=0, turn=1, entries=entries, end=end))
        stored = store.load(name)
        info = stored.info
        assert (info.id, info.team, info.stop_reason, info.error) == (name, name, name, name)
        assert (stored.logs, stored.calls) == ({name: ["1"]}, [record])
        store.forget(name)
        assert store.list() == []

    def test_tells_similar_names_apart(self, store: CheckpointStore) -> None:
        """Upper and lower case, spaces and escapes make another run."""
        names = ["run", "Run", "run ", "\0", r"\u0000", r"\u005cu0000", "\u00e9", "e\u0301"]
        for name in names:
            assert store.submit(name, NEW)
        assert {info.id for info in store.list()} == set(names)

    def test_takes_long_texts(self, store: CheckpointStore) -> None:
        """A state and an item of 10 MB come back whole."""
        fence = take(store)
        long = '"' + "x" * 10_000_000 + '"'
        commit = Commit(expects=0, turn=1, state=long, digest="d", entries=[Entry("log", 0, long)])
        store.commit("run", fence, commit)
        stored = store.load("run")
        assert stored.state == long
        assert stored.logs == {"log": [long]}

    def test_is_set_up_any_number_of_times(self, store: CheckpointStore, stores: Stores) -> None:
        """To set a store up again changes nothing of what is kept."""
        take(store)
        stores.open().setup()
        assert store.info("run").owner == "owner"

    def test_refuses_a_newer_format(self, store: CheckpointStore, stores: Stores) -> None:
        """A store that a newer version has written is not touched."""
        newer = str(FORMAT + 1)
        stores.execute("UPDATE sv_meta SET value = ? WHERE key = 'format'", newer)
        with pytest.raises(CheckpointTooNew, match=rf"has format {newer}.* up to {FORMAT};"):
            stores.open().setup()

    # --- damage ---------------------------------------------------------------------------------

    def test_finds_damage(self, store: CheckpointStore, stores: Stores) -> None:
        """What is not as it was written is CheckpointCorrupt; such a run can be forgotten."""
        store.submit("sound", NEW)
        found, forgotten = list[str](), list[str]()
        for damage in DAMAGE:
            _fill(store, damage)
            table, _, changes = damage.partition(": ")
            what, _, where = changes.partition(" WHERE ")
            key = "id" if table == "sv_run" else "run_id"
            begin = f"DELETE FROM {table}" if what == "DELETE" else f"UPDATE {table} SET {what}"
            stores.execute(f"{begin} WHERE {key} = ? AND ({where or '1 = 1'})", to_column(damage))
            with contextlib.suppress(CheckpointCorrupt):
                check(store.load(damage))
                found.append(damage)
            assert damage in {info.id for info in store.list()}
            stores.execute("UPDATE sv_run SET owner = NULL WHERE id = ?", to_column(damage))
            store.forget(damage)
            forgotten.append(damage)
        assert (found, forgotten) == ([], DAMAGE)
        assert check(store.load("sound")) is None


LOGS: dict[str, list[str | int]] = {"a": ["zero", "one", "two"], "b": [5], "c": [1]}
DAMAGE = [
    "sv_run: task = '[1]'",
    "sv_run: shape = '{}'",
    "sv_run: team = 'Others'",
    "sv_run: state = replace(state, '5', '6')",
    "sv_run: state = NULL",
    "sv_run: state = NULL, digest = NULL, turn = 0",
    "sv_run: digest = NULL",
    "sv_run: turn = 1",
    "sv_run: turn = -1",
    "sv_run: status = 'resting'",
    "sv_entry: DELETE WHERE pos = 0",
    "sv_entry: DELETE WHERE pos = 1",
    "sv_entry: DELETE WHERE log = 'b'",
    "sv_entry: DELETE",
    "sv_entry: body = '\"x\"' WHERE pos = 1",
    "sv_entry: body = CASE pos WHEN 1 THEN '\"two\"' ELSE body END WHERE log = 'a'",
    "sv_entry: pos = pos + 1 WHERE log = 'c'",
    "sv_call: result = '\"other\"'",
    "sv_call: result = NULL",
    "sv_call: tool = 'delete'",
    "sv_call: arguments = '{}'",
    "sv_call: kind = 'code'",
]
"""A table, and what is done to the rows that one run has in it."""


def _fill(store: CheckpointStore, run_id: str) -> None:
    """Begin a run of two turns and a call."""
    fence, sealer = take(store, run_id), Sealer(run_id)
    for turn in (1, 2):
        snapshot = Snapshot(
            turn=turn,
            changes=[LogChange(log, 0, items) for log, items in LOGS.items()],
            lengths={log: len(items) for log, items in LOGS.items()},
            rest={"at": 5},
        )
        commit = commit_of(sealer.seal(snapshot), calls=[call("c", result='"found"')])
        store.commit(run_id, fence, commit)
    kept = check(store.load(run_id))
    assert kept is not None
    assert (kept.turn, kept.logs, kept.rest) == (2, LOGS, {"at": 5})


def commit_of(sealed: Sealed, calls: Sequence[CallRecord] = ()) -> Commit:
    """Return the commit of a turn that is finished."""
    return Commit(
        expects=sealed.turn - 1,
        turn=sealed.turn,
        state=sealed.state,
        digest=sealed.digest,
        entries=sealed.entries,
        calls=calls,
    )

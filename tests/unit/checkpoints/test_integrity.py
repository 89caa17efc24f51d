"""What is sealed comes back as it was, or is refused."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor._checkpoints.integrity import STATE_FORMAT, Sealer, check
from supervisor._checkpoints.pieces import Later
from supervisor._checkpoints.snapshot import Kept, LogChange, Snapshot
from supervisor._checkpoints.store import StoredRun
from supervisor.errors import CheckpointCorrupt, CheckpointTooNew
from tests.unit.checkpoints.run_infos import stopped_info

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_LOGS = st.dictionaries(st.text(max_size=3), st.lists(_JSON, max_size=4), max_size=3)


class Rows:
    """The rows of one run, as a store has them."""

    def __init__(self) -> None:
        self.turn = 0
        self.state: str | None = None
        self.digest: str | None = None
        self.logs = dict[str, list[str]]()

    def write(self, sealer: Sealer, snapshot: Snapshot) -> None:
        """Write what is new; rows beyond a log's length stay."""
        sealed = sealer.seal(snapshot)
        self.turn, self.state, self.digest = sealed.turn, sealed.state, sealed.digest
        for entry in sealed.entries:
            log = self.logs.setdefault(entry.log, [])
            log[entry.pos : entry.pos + 1] = [entry.body]

    def stored(self) -> StoredRun:
        """Return what a store reads."""
        return StoredRun(
            info=stopped_info(id="run", turn=self.turn),
            shape="{}",
            task="{}",
            state=self.state,
            digest=self.digest,
            logs=self.logs,
        )


def snapshot(
    turn: int, rest: dict[str, Any] | None = None, **logs: tuple[int, list[Any]]
) -> Snapshot:
    """Return a snapshot; each log has where its change starts, and its new items."""
    return Snapshot(
        turn=turn,
        changes=[LogChange(log, start, items) for log, (start, items) in logs.items()],
        lengths={log: start + len(items) for log, (start, items) in logs.items()},
        rest=rest or {},
    )


@settings(max_examples=40)
@given(before=_LOGS, after=_LOGS, rest=st.dictionaries(st.text(), _JSON, max_size=3))
def test_what_is_sealed_comes_back(
    before: dict[str, list[Any]], after: dict[str, list[Any]], rest: dict[str, Any]
) -> None:
    """Logs that grow, are written anew, shrink or go, and any JSON in them."""
    rows, sealer = Rows(), Sealer("run")
    for turn, logs in enumerate([before, after, before], start=1):
        changes = {log: (0, items) for log, items in logs.items()}
        rows.write(sealer, snapshot(turn, rest, **changes))
        assert check(rows.stored()) == Kept(run_id="run", turn=turn, logs=logs, rest=rest)


def test_a_log_goes_on_in_the_next_process() -> None:
    """A sealer that has checked a run goes on from there; rows beyond the log's length go."""
    rows = Rows()
    rows.write(Sealer("run"), snapshot(1, log=(0, [1, 2])))
    rows.logs["log"].append('"a leftover"')
    sealer = Sealer("run")
    assert sealer.check(rows.stored()) == Kept(run_id="run", turn=1, logs={"log": [1, 2]}, rest={})
    rows.write(sealer, snapshot(2, log=(2, [3])))
    assert check(rows.stored()) == Kept(run_id="run", turn=2, logs={"log": [1, 2, 3]}, rest={})


def test_a_log_that_has_gone_is_not_read_any_more() -> None:
    """A log of an earlier snapshot that the last one does not have is no part of it."""
    rows, sealer = Rows(), Sealer("run")
    rows.write(sealer, snapshot(1, old=(0, [1]), log=(0, [1])))
    rows.write(sealer, snapshot(2, log=(1, [2])))
    assert check(rows.stored()) == Kept(run_id="run", turn=2, logs={"log": [1, 2]}, rest={})


def test_a_state_that_stays_does_not_keep_another_from_being_written() -> None:
    """Of two states of agents, the one that has changed is written, and both come back."""
    rows, sealer, same = Rows(), Sealer("run"), {"a": 1}
    for turn in (1, 2):
        states = {"one": same, "two": turn}
        rows.write(sealer, Snapshot(turn=turn, changes=[], lengths={}, rest={}, states=states))
    kept = check(rows.stored())
    assert kept is not None
    assert kept.states == {"one": same, "two": 2}


def test_items_that_were_cut_elsewhere_are_refused() -> None:
    """The same characters in the same number of rows, divided in another place, are another log."""
    rows = Rows()
    rows.write(Sealer("run"), snapshot(1, log=(0, [1, 23])))
    assert rows.logs["log"] == ["1", "23"]
    rows.logs["log"] = ["12", "3"]
    with pytest.raises(CheckpointCorrupt, match="is not the one that was written"):
        check(rows.stored())


def test_a_log_without_items_comes_back() -> None:
    """A log that is there and empty is told from one that is not there."""
    rows = Rows()
    rows.write(Sealer("run"), snapshot(1, log=(0, [])))
    assert check(rows.stored()) == Kept(run_id="run", turn=1, logs={"log": []}, rest={})


@pytest.mark.parametrize("seal", [[-1, "d"], ["1", "d"], [1], [1, "d", 2], [1, 2], 5, None, {}])
def test_a_seal_of_another_form_is_refused(seal: Any) -> None:
    """What stands in the place of a log's length and digest must be these."""
    rows = Rows()
    state = {"format": STATE_FORMAT, "turn": 0, "rest": {}, "states": {}, "logs": {"log": seal}}
    _forge(rows, state)
    with pytest.raises(CheckpointCorrupt, match="other fields than its format"):
        check(rows.stored())


def test_the_format_is_that_of_the_states_that_are_kept() -> None:
    """A state says format 1; with another number, those that are kept could not be read."""
    state = Sealer("run").seal(snapshot(1)).state
    assert json.loads(state)["format"] == 1


def test_a_message_of_several_logs_is_made_text_of_once() -> None:
    """What is the same object in several logs of a snapshot is encoded for one of them."""
    made: list[int] = []

    def make() -> Any:
        made.append(1)
        return "picture"

    rows, message = Rows(), {"content": Later(make)}
    rows.write(Sealer("run"), snapshot(1, thread=(0, [message]), due=(0, [1, message])))
    assert rows.logs["thread"] == ['{"content": "picture"}']
    assert rows.logs["due"] == ["1", '{"content": "picture"}']
    assert made == [1]


def test_a_run_of_which_nothing_was_finished_has_nothing() -> None:
    """Before the first commit there is nothing to check."""
    assert check(Rows().stored()) is None


@pytest.mark.parametrize("left", [{"turn": 1}, {"digest": "0" * 64}, {"logs": {"thread": ["1"]}}])
def test_a_run_whose_state_has_gone_is_refused(left: dict[str, Any]) -> None:
    """Whatever else is left of it tells that there was one."""
    rows = Rows()
    vars(rows).update(left)
    with pytest.raises(CheckpointCorrupt, match="it has no state"):
        check(rows.stored())


def test_a_change_must_follow_its_log() -> None:
    """A change that leaves a gap, or a length that is another, is a mistake of the caller."""
    sealer = Sealer("run")
    sealer.seal(snapshot(1, log=(0, [1])))
    with pytest.raises(ValueError, match="log has 1 items, and goes on at 2"):
        sealer.seal(snapshot(2, log=(2, [3])))
    with pytest.raises(ValueError, match="log has 1 items, and is said to have 5"):
        sealer.seal(Snapshot(turn=2, changes=[], lengths={"log": 5}, rest={}))


def test_a_state_of_another_run_is_refused() -> None:
    """The digest of a state is bound to the run's id."""
    rows = Rows()
    rows.write(Sealer("another"), snapshot(1, log=(0, [1])))
    with pytest.raises(CheckpointCorrupt, match="its state is not the one that was written"):
        check(rows.stored())


def test_a_newer_format_is_refused() -> None:
    """What a newer version has written is not read, and not called damaged."""
    rows = Rows()
    _forge(rows, {"format": STATE_FORMAT + 1})
    with pytest.raises(CheckpointTooNew, match=f"has format {STATE_FORMAT + 1}"):
        check(rows.stored())


@given(
    state=_JSON
    | st.fixed_dictionaries(
        {
            "format": st.just(STATE_FORMAT) | _JSON,
            "turn": st.just(0) | _JSON,
            "rest": st.dictionaries(st.text(), _JSON, max_size=1) | _JSON,
            "logs": _JSON
            | st.dictionaries(
                st.sampled_from(["log", "other"]), st.lists(_JSON, max_size=3) | _JSON
            ),
        }
    ),
    bodies=st.lists(st.text(max_size=5), max_size=3),
)
def test_a_forged_state_is_refused(state: Any, bodies: list[str]) -> None:
    """Whatever stands under a right digest is read as data, or is CheckpointCorrupt."""
    rows = Rows()
    rows.logs = {"log": bodies}
    _forge(rows, state)
    try:
        kept = check(rows.stored())
    except (CheckpointCorrupt, CheckpointTooNew):
        return
    assert kept is not None
    assert isinstance(kept.rest, dict)


@pytest.mark.parametrize("state", ["", "{", "[" * 100_000, "9" * 10_000, "\ud800", '{"format": 1'])
def test_text_that_is_no_json_is_refused(state: str) -> None:
    """It is CheckpointCorrupt, however deep or long it is."""
    rows = Rows()
    rows.state, rows.digest = state, _digest(state)
    with pytest.raises(CheckpointCorrupt):
        check(rows.stored())


def _forge(rows: Rows, state: Any) -> None:
    """Give rows a state, with the digest that it should have."""
    rows.state = json.dumps(state)
    rows.digest = _digest(rows.state)


def _digest(state: str) -> str:
    return hashlib.sha256(b'"run"' + state.encode("utf-8", "surrogatepass")).hexdigest()

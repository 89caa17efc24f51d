"""States that are written whole: sealed in several rows, and left alone where nothing changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from supervisor._checkpoints.integrity import Sealed, Sealer, check
from supervisor._checkpoints.pieces import Later
from supervisor._checkpoints.snapshot import Snapshot
from supervisor._checkpoints.store import StoredRun
from supervisor._core.errors import CheckpointCorrupt, UsageError
from tests.unit.checkpoints.run_infos import stopped_info

_LARGE = {"numbers": [float(n) for n in range(100_000)], "text": "\ud800\x00ü" * 100_000}


class _Rows:
    """What a store would have of one run."""

    def __init__(self) -> None:
        self.sealer = Sealer("r")
        self.rows: dict[str, dict[int, str]] = {}
        self.turn = 0

    def write(self, **states: Any) -> Sealed:
        self.turn += 1
        self.sealed = self.sealer.seal(
            Snapshot(turn=self.turn, changes=[], lengths={}, rest={}, states=states)
        )
        for entry in self.sealed.entries:
            self.rows.setdefault(entry.log, {})[entry.pos] = entry.body
        return self.sealed

    def stored(self) -> StoredRun:
        logs = {name: [rows[n] for n in sorted(rows)] for name, rows in self.rows.items()}
        return _stored(self.turn, self.sealed, logs)

    def read(self) -> Mapping[str, Any]:
        kept = check(self.stored())
        assert kept is not None
        return kept.states


def _stored(turn: int, sealed: Sealed, logs: Mapping[str, Sequence[str]]) -> StoredRun:
    return StoredRun(
        info=stopped_info(turn=turn),
        shape="",
        task="",
        state=sealed.state,
        digest=sealed.digest,
        logs=logs,
    )


def test_states_come_back() -> None:
    """A small state and a large one come back as they were, the large one from many rows."""
    rows = _Rows()
    rows.write(small={"n": 1}, large=_LARGE)
    assert rows.read() == {"small": {"n": 1}, "large": _LARGE}
    assert len(rows.rows["state:large"]) > 5
    assert max(len(body) for body in rows.rows["state:large"].values()) < 2_000_000


def test_unchanged_state_is_not_written_again() -> None:
    """A state that is as it was costs no row, also for whoever has read it."""
    rows = _Rows()
    rows.write(a=_LARGE, b=1)
    assert {entry.log for entry in rows.write(a=_LARGE, b=2).entries} == {"state:b"}
    rows.sealer = Sealer("r")
    rows.sealer.check(rows.stored())
    assert {entry.log for entry in rows.write(a=_LARGE, b=3).entries} == {"state:b"}
    assert rows.read() == {"a": _LARGE, "b": 3}


def test_same_object_is_made_text_of_once() -> None:
    """A state that is the very object of the last time is not encoded again."""
    made: list[int] = []

    def make() -> Any:
        made.append(1)
        return [1]

    rows, state = _Rows(), Later(make)
    rows.write(a=state)
    rows.write(a=state)
    assert rows.read() == {"a": [1]}
    assert made == [1]
    rows.write(a=Later(make))
    assert made == [1, 1]


def test_state_that_is_no_json_is_named() -> None:
    """A state with something that JSON does not have is an error that says whose it is."""
    with pytest.raises(UsageError, match="state of 'writer' cannot be kept: Object of type set"):
        _Rows().write(writer={"seen": {1}})


def test_state_that_has_become_smaller_leaves_rows_that_do_not_count() -> None:
    """A state of fewer rows than before is read without those that are left of the earlier one."""
    rows = _Rows()
    rows.write(a=_LARGE)
    rows.write(a=[])
    assert rows.read() == {"a": []}


def test_state_that_is_gone_is_not_read() -> None:
    """A state that is not among those of the last snapshot is not there any more."""
    rows = _Rows()
    rows.write(a=1, b=2)
    rows.write(b=2)
    assert rows.read() == {"b": 2}


@pytest.mark.parametrize("damage", ["changed", "missing", "swapped"])
def test_damaged_state_is_found(damage: str) -> None:
    """A row of a state that is changed, missing or swapped is CheckpointCorrupt."""
    rows = _Rows()
    rows.write(a=_LARGE)
    bodies = list(rows.stored().logs["state:a"])
    if damage == "changed":
        bodies[1] = bodies[1].replace("1", "2", 1)
    elif damage == "missing":
        del bodies[-1]
    else:
        bodies[0], bodies[1] = bodies[1], bodies[0]
    with pytest.raises(CheckpointCorrupt, match="state:a"):
        check(replace(rows.stored(), logs={"state:a": bodies}))

"""Whatever the guard and its process send each other, and whatever stands in the end record."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from supervisor._process import end_record
from supervisor._process.after_kill import write_last_line
from supervisor._process.end_record import EndRecord
from supervisor._signals.guard_state import ArrivalReport, GuardState
from tests.fuzz.lengths import examples

_STATE = GuardState(1, 5.5, [3.0, 2.0, 1.0, 1.0, 0.0], {15: 1, 2: 2}, {15: 1.25}, is_program=True)
_CHANGES = st.lists(
    st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=6)), max_size=4
)


def changed(data: bytes, changes: list[tuple[int, bytes]]) -> bytes:
    """Return data with bytes changed in some places."""
    found = bytearray(data)
    for at, new in changes:
        start = at % (len(found) + 1)
        found[start : start + len(new)] = new
    return bytes(found)


@examples(100)
@given(changes=_CHANGES)
def test_a_line_is_read_or_refused(changes: list[tuple[int, bytes]]) -> None:
    """A line that was changed on its way is read as some state, or is a ValueError."""
    for whole in (_STATE.encoded(), ArrivalReport(2.5, [1.0, 2.0]).encoded()):
        kind = GuardState if whole == _STATE.encoded() else ArrivalReport
        try:
            assert kind.decoded(changed(whole, changes)).encoded().endswith(b"\n")
        except ValueError:
            continue


@examples(40)
@given(changes=_CHANGES, stage=st.integers(0, 255), is_forced=st.booleans())
def test_an_end_record_with_any_bytes_changed(
    changes: list[tuple[int, bytes]], stage: int, is_forced: bool
) -> None:
    """The guard writes one line at most from a record that was scribbled over, and never waits."""
    memory = bytearray(end_record.TRACKED_AT)
    record = EndRecord(memory, None)
    record.put(end_record.LINES, b'1.5\n{"forced": "@seconds@"}\n{"killed": 1}')
    record.put(end_record.TRACKED, b"unknown 0 0 0 0")
    memory[:] = changed(bytes(memory), changes)[: len(memory)]
    record.stage = stage
    read, write = os.pipe()
    try:
        write_last_line(record, write, is_forced=is_forced)
    except (ValueError, IndexError):
        return
    finally:
        os.close(write)
        written = b"".join(iter(lambda: os.read(read, 1 << 16), b""))
        os.close(read)
    assert written.strip(b"\n").count(b"\n") == 0

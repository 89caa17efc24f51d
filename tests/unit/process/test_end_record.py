"""The end record: what it takes, and what stays where it cannot be shared."""

from __future__ import annotations

import os
import sys

import pytest

from supervisor._process import end_record

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has a shared record")


@pytest.fixture
def this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the process begin without a record."""
    monkeypatch.setattr(end_record, "_this", end_record._ThisProcess())


@pytest.mark.usefixtures("this_process")
def test_without_shared_memory_the_guard_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no file can be had, the record is this process's alone."""

    def refuse(name: str, flags: int = 0) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "memfd_create", refuse)
    record = end_record.record()
    record.put(end_record.TERMINAL, b"a terminal")
    record.stage = end_record.BETWEEN_LINES
    assert record.get(end_record.TERMINAL) == b"a terminal"
    assert end_record.fds_for_guard() == ()
    assert not end_record.is_needed()


def test_a_value_that_is_too_long_changes_nothing() -> None:
    """What does not fit into a cell is refused, and the value before it stays."""
    record = end_record.EndRecord(bytearray(end_record.TRACKED_AT), None)
    record.put(end_record.TRACKED, b"before")
    with pytest.raises(ValueError, match="257 bytes are too many here; give 252 at most"):
        record.put(end_record.TRACKED, b"x" * 257)
    assert record.get(end_record.TRACKED) == b"before"

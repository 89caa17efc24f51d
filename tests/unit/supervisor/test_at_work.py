"""What a report finds at work, and what it says where it finds nothing out."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from supervisor._reports.findings import TaskInfo
from supervisor._reports.log import reporter
from supervisor._supervisor import at_work


def test_a_part_that_fails_does_not_fail_the_report(caplog: pytest.LogCaptureFixture) -> None:
    """Where one part cannot be looked at, the report says so, and has the others."""
    tries = list[int]()

    def infos() -> Iterator[TaskInfo]:
        tries.append(1)
        raise LookupError("which tasks there are")

    with caplog.at_level(logging.INFO, "supervisor"):
        found = at_work.gather(infos, None, whole=True)
        reporter.flush(5)
    assert len(tries) > 1
    assert "report of this part failed: LookupError" in str(found)
    assert "thread MainThread" in str(found)
    assert [vars(record)["error"] for record in caplog.records] == ["LookupError"]

"""What a worker says of its runs, and with which status it ends."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from supervisor._cli.errors import CommandError
from supervisor._cli.fleet import command_lines, reports
from supervisor._cli.fleet.reports import Reports
from supervisor._cli.fleet.session import Session
from supervisor._core.errors import StoreUnavailable
from supervisor._core.events import Rung, StopRequest
from supervisor._supervisor.facade import parts_of
from supervisor.integrations._fleet.outcomes import Failed

LOST = StoreUnavailable("sqlite:///runs.db", "gone")


def session(tmp_path: Path, *more: str) -> Session:
    """Return a worker that has not begun."""
    store = f"sqlite:///{tmp_path / 'runs.db'}"
    return Session(command_lines.read_work(["app:team", "--store", store, *more]))


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the lines that a worker says."""
    lines = list[str]()
    monkeypatch.setattr(reports, "_say", lines.append)
    return lines


def test_each_failure_is_told_with_what_comes_next(tmp_path: Path, said: list[str]) -> None:
    """It is tried again after a pause, by whoever comes, or never without a person."""
    work = ["app:team", "--store", f"sqlite:///{tmp_path / 'runs.db'}", "--attempts", "3"]
    told = Reports(command_lines.read_work(work), "it")
    error = ValueError("no\ncredit")
    told.ended("one", Failed(error, 1, is_at_rest=False), 2.0)
    told.ended("one", Failed(error, 2, is_at_rest=False), None)
    told.ended("one", Failed(error, 3, is_at_rest=True), None)
    assert told.has_failures
    assert said == [
        "run 'one' has failed (1 of 3): ValueError: no; it is tried again in 2 s",
        "run 'one' has failed (2 of 3): ValueError: no",
        "run 'one' has failed (3 of 3): ValueError: no; it rests until `retry` has it tried again",
    ]


def test_a_store_that_is_away_is_told_of_once(tmp_path: Path, said: list[str]) -> None:
    """The same problem is said again only after the store was there in between."""
    work = ["app:team", "--store", f"sqlite:///{tmp_path / 'runs.db'}"]
    told = Reports(command_lines.read_work(work), "it")
    for _ in range(2):
        told.unavailable("refused")
    told.at_work()
    told.unavailable("refused")
    assert [line.partition(":")[0] for line in said] == [
        "the store cannot be used",
        "at work on it, 1 run at a time",
        "the store cannot be used",
    ]


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (CommandError("no such team", 2), 2, "supervisor: no such team\n"),
        (LOST, 1, f"supervisor: {LOST}\n"),
        (ValueError("broken"), 1, "ValueError: broken\n"),
    ],
)
def test_an_error_is_told_and_is_the_status(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    error: Exception,
    status: int,
    says: str,
) -> None:
    """One line, unless it is of the user's code."""
    assert session(tmp_path).conclude(error) == status
    assert capfd.readouterr().err.endswith(says)


def test_a_signal_is_the_status_unless_another_was_asked_for(tmp_path: Path) -> None:
    """A worker dies by the signal that has stopped it, or ends with `--stop-status`."""
    request = StopRequest(reason="SIGTERM", rung=Rung.DRAIN, cause="signal", signal=signal.SIGTERM)
    for more, status in (((), -signal.SIGTERM), (("--stop-status", "0"), 0)):
        worker = session(tmp_path, *more)
        parts_of(worker.sup).stop.ask(request)
        assert worker.conclude(None) == status


def test_without_a_signal_failures_are_the_status(tmp_path: Path, said: list[str]) -> None:
    """A worker that has done all that there was ends with 1 where a run has failed."""
    worker = session(tmp_path)
    assert worker.conclude(None) == 0
    worker._reports.ended("one", Failed(ValueError(), 1, is_at_rest=True), None)
    assert worker.conclude(None) == 1
    assert len(said) == 1


def test_a_store_that_is_none_is_one_line() -> None:
    """The error says what to give."""
    with pytest.raises(CommandError, match="sqlite:///"):
        Session(command_lines.read_work(["app:team", "--store", "mysql://host/db"]))

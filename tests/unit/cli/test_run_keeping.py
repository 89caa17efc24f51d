"""`run --id`: which store, which run, and the line that goes on with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor import Supervisor, errors
from supervisor._checkpoints.database import Damaged
from supervisor._cli.run.command_line import read
from supervisor._cli.run.keeping import Keeping, RunRefused
from supervisor._cli.run.tally import Tally
from supervisor._cli.run.time_limit import TimeLimit


def _keeping(line: str, *, has_begun: bool = True) -> Keeping:
    keeping = Keeping(read(line.split()))
    if has_begun:
        keeping.note_begun()
    return keeping


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("SUPERVISOR_CHECKPOINTS", raising=False)


def test_without_both_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable alone keeps nothing: it says only where."""
    monkeypatch.setenv("SUPERVISOR_CHECKPOINTS", "sqlite:///theirs.db")
    keeping = _keeping("teams:make task")
    assert (keeping.url, keeping.run_id, keeping.resume_line(None)) == (None, None, None)


def test_an_id_alone_is_kept_in_the_users_store(tmp_path: Path) -> None:
    """The line that goes on needs no store's name then."""
    keeping = _keeping("teams:make task --id one")
    assert keeping.url == f"sqlite:///{tmp_path}/autogen-supervisor/runs.db"
    assert keeping.resume_line(None) == "autogen-supervisor run teams:make --id one"


def test_a_store_alone_gives_the_run_a_name() -> None:
    """No two runs get the same one."""
    names = {_keeping("teams:make task --checkpoints sqlite:///r.db").run_id for _ in range(9)}
    assert len(names) == 9


def test_the_line_has_what_is_needed_to_load_the_target() -> None:
    """It has no task, for the run has one, and a shell takes it as it is."""
    line = "team.json task --trust --allow a.b --select x;y --checkpoints sqlite:///r.db --id 1&2"
    assert _keeping(line).resume_line(None) == (
        "autogen-supervisor run team.json --trust --allow a.b --select 'x;y' "
        "--checkpoints sqlite:///r.db --id '1&2'"
    )


def test_the_line_has_no_password() -> None:
    """It goes into logs."""
    pytest.importorskip("psycopg")
    line = "teams:make task --id one --checkpoints postgresql://me:secret@127.0.0.1/runs"
    resume = _keeping(line).resume_line(None)
    assert resume is not None
    assert "secret" not in resume
    assert "127.0.0.1/runs" in resume


@pytest.mark.parametrize(
    ("error", "goes_on"),
    [
        (ZeroDivisionError(), True),
        (errors.RunHeld("one", "somebody"), False),
        (errors.RunMismatch("one", "task", "other words"), False),
        (errors.LeaseLost("one"), False),
        (errors.StoreUnavailable("sqlite:///r.db", "the disk is full"), True),
        (Damaged("sqlite:///r.db", "the file is damaged"), False),
    ],
)
def test_what_cannot_be_gone_on_with_has_no_line(error: BaseException, goes_on: bool) -> None:
    """An agent that fails can be tried again; a run of another team cannot."""
    assert (_keeping("teams:make task --id one").resume_line(error) is not None) is goes_on


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (errors.RunHeld("one", "somebody"), "in somebody; cancel it, wait for its end, or"),
        (errors.RunMismatch("one", "task", "other words"), "--allow-changed to go on all the same"),
        (
            errors.RunMismatch("one", "kind", "a session"),
            "'one' is no run: a session; give another --id",
        ),
        (errors.RunNotFound("one", "sqlite:///r.db"), "in sqlite:///r.db; give a TASK to begin it"),
        (errors.CheckpointCorrupt("one", "torn"), "damaged: torn; restore the store"),
    ],
)
def test_what_is_refused_says_what_to_do_at_a_command_line(
    error: errors.CheckpointError, says: str
) -> None:
    """It has the error's name for programs, and ends the command with status 1."""
    told = _keeping("teams:make task --id one").refusal(error)
    assert isinstance(told, RunRefused)
    assert says in str(told)
    assert (told.type_name, told.status) == (type(error).__name__, 1)


def test_what_fails_on_its_way_is_told_as_it_is() -> None:
    """A store that is gone, or an agent's error, is no refusal, and the run can go on later."""
    keeping = _keeping("teams:make task --id one")
    for error in (ZeroDivisionError(), errors.StoreUnavailable("sqlite:///r.db", "gone")):
        assert keeping.refusal(error) is error
        assert keeping.resume_line(error) is not None


def test_a_store_that_cannot_be_used_refuses_the_run() -> None:
    """Before the run has begun there is nothing to go on with."""
    keeping = _keeping("teams:make task --id one", has_begun=False)
    error = errors.StoreUnavailable("sqlite:///r.db", "gone")
    assert isinstance(keeping.refusal(error), RunRefused)
    assert keeping.resume_line(error) is None


def test_there_is_no_line_before_the_store_has_the_run() -> None:
    """A run that is continued, without a task, is there from the start."""
    assert _keeping("teams:make task --id one", has_begun=False).resume_line(None) is None
    assert _keeping("teams:make --id one", has_begun=False).resume_line(None) is not None


@pytest.mark.parametrize(
    ("stop_reason", "has_line"), [("Stopped by SIGTERM", True), ("The text is there", False)]
)
def test_a_run_that_comes_to_its_end_while_it_is_stopped_has_no_line(
    stop_reason: str, *, has_line: bool
) -> None:
    """Its last turn was the one that a stop has let finish: nothing is left to go on with."""
    sup = Supervisor(signals={})
    sup.stop("Stopped by SIGTERM")
    tally = Tally(sup, TimeLimit(sup, None), _keeping("teams:make task --id one"))
    tally.conclude(stop_reason, sup.stop_request)
    outcome = tally.outcome()
    assert (outcome.status, outcome.resume is not None) == ("stopped", has_line)


def test_a_team_of_other_members_is_told_at_the_command_line() -> None:
    """No flag lets such a run go on, so none is named; and the failure keeps its class's name."""
    error = errors.RunMismatch("one", "members", "'odd' was in, and is not")
    told = RunRefused(error)
    assert str(told).endswith("give it the team it was begun with, or another --id")
    sup = Supervisor(signals={})
    tally = Tally(sup, TimeLimit(sup, None), _keeping("teams:make task --id one"))
    tally.error = told
    failure = tally.outcome().error
    assert failure is not None
    assert (failure.type, failure.message) == ("RunMismatch", str(told))

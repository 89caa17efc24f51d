"""The commands about runs in a store: what they find there, and what they say of it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor
from supervisor._checkpoints.store import CallRecord, NewRun, RunStatus
from supervisor._checkpoints.urls import open_store
from supervisor._cli.main import main
from supervisor._cli.output.transcript import Transcript
from supervisor._cli.stored_runs import words
from supervisor._cli.stored_runs.details import RunDetails, as_text
from supervisor._cli.stored_runs.messages import stored_messages
from supervisor._cli.stored_runs.store import url_of
from supervisor.testing import ScriptedAgent
from tests.unit.checkpoints.run_infos import run_info

pytestmark = pytest.mark.blocks  # a path is looked at in the loop

_HOSTILE = "\x1b[2J\u202e"
_QUEUED = NewRun(team="team", shape="[]", task='"a task"')

INFO = run_info(id="report", team="writers", turn=1200, attempts=2, failures=1, owner="host/7")


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of a store in which the run "one" is completed, and "two" is queued."""
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    monkeypatch.setenv("SUPERVISOR_CHECKPOINTS", url)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    async def run() -> None:
        team = RoundRobinGroupChat([ScriptedAgent("ann", [f"Rain. {_HOSTILE}"])], max_turns=1)
        async with Supervisor(checkpoints=url, exits=False) as sup:
            await sup.stream(team, "A task", id="one")

    asyncio.run(run())
    with closing(open_store(url)) as store:
        store.submit("two", _QUEUED)
    return url


def _done(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return the status of a command, and what it has written on stdout and stderr."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    status = left.value.code
    assert isinstance(status, int)
    written = capsys.readouterr()
    return status, written.out, written.err


# -- which store ----------------------------------------------------------------------------------


def test_a_flag_wins_over_the_environment_and_that_over_the_users_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without both it is a file in the user's state directory, whose folder is made."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("SUPERVISOR_CHECKPOINTS", "sqlite:///theirs.db")
    assert url_of("sqlite:///mine.db") == "sqlite:///mine.db"
    assert url_of(None) == "sqlite:///theirs.db"
    monkeypatch.delenv("SUPERVISOR_CHECKPOINTS")
    assert url_of(None) == f"sqlite:///{tmp_path}/state/autogen-supervisor/runs.db"
    assert (tmp_path / "state" / "autogen-supervisor").stat().st_mode & 0o777 == 0o700


def test_a_store_that_is_not_there_is_not_made_by_looking(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped path is one line that says how a store is made."""
    path = tmp_path / "mistyped.db"
    status, said, error = _done(capsys, "runs", "--checkpoints", f"sqlite:///{path}")
    assert (status, said) == (1, "")
    assert error.startswith(f"supervisor: there is no store {str(path)!r}; it is made by")
    assert error.count("\n") == 1
    assert not path.exists()


@pytest.mark.parametrize("given", ["mysql://host/db", "runs.db"])
def test_what_is_no_url_of_a_store_is_one_line(
    capsys: pytest.CaptureFixture[str], given: str
) -> None:
    """The line names the setting, and what to give."""
    status, said, error = _done(capsys, "runs", "--checkpoints", given)
    assert (status, said, error.count("\n")) == (2, "", 1)
    assert "checkpoints" in error
    assert "sqlite:///" in error


# -- the commands ---------------------------------------------------------------------------------


def test_runs_lists_them_as_a_table(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each run has a line, below headings that stand above their columns."""
    status, said, _ = _done(capsys, "runs")
    headings, *rows = said.splitlines()
    assert status == 0
    assert {row.split()[0] for row in rows} == {"one", "two"}
    column = headings.index("STATUS")
    assert {row[column:].split()[0] for row in rows} == {"completed", "queued"}


def test_runs_of_some_statuses(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--status` leaves the others out, and may be given twice."""
    _, said, _ = _done(capsys, "runs", "--status", "queued", "--status", "failed", "--json")
    report = json.loads(said)
    assert report["schema_version"] == 1
    assert [run["id"] for run in report["runs"]] == ["two"]
    assert report["runs"][0]["created"].endswith("Z")
    assert _done(capsys, "runs", "--status", "failed")[1] == "There are no such runs.\n"
    status, said, error = _done(capsys, "runs", "--status", "done")
    assert (status, said) == (2, "")
    assert "invalid choice: 'done' (choose from" in error


def test_show_has_the_messages_safe_for_a_terminal(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a model has written moves no cursor and turns nothing around."""
    status, said, _ = _done(capsys, "show", "one")
    assert status == 0
    assert "status   completed\n" in said
    assert "ann\nRain. ␛[2J" in said
    assert not set(_HOSTILE[:1] + _HOSTILE[-1:]) & set(said)


def test_show_as_json_has_all_of_it(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The messages are as in a headless run's transcript."""
    report = json.loads(_done(capsys, "show", "one", "--json")[1])
    assert report["run"]["status"] == "completed"
    said = [(message["kind"], message["source"]) for message in report["messages"]]
    assert said == [("TextMessage", "user"), ("TextMessage", "ann")]
    assert report["messages"][1]["content"] == f"Rain. {_HOSTILE}"
    assert "$" not in report["messages"][1]


def test_show_of_a_run_that_has_not_begun(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is described, and has said nothing."""
    status, said, _ = _done(capsys, "show", "two")
    assert (status, said.splitlines()[:2]) == (0, ["run      two", "status   queued"])


def test_cancel_ends_a_run_that_nobody_has(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One that is completed is not cancelled, and the status says so."""
    assert _done(capsys, "cancel", "two")[:2] == (0, "two is cancelled.\n")
    status, said, _ = _done(capsys, "cancel", "one")
    assert (status, said) == (1, "one is completed already, and cannot be cancelled.\n")


def test_what_is_at_work_is_told_to_stop_and_is_not_forgotten(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that somebody has is theirs until it ends."""
    with closing(open_store(url)) as store:
        store.acquire("two", "somebody", 60.0)
        status, _, error = _done(capsys, "forget", "two")
        assert status == 1
        assert error == (
            "supervisor: the run 'two' is at work in somebody; cancel it, or wait for its end\n"
        )
        status, said, _ = _done(capsys, "cancel", "two")
        assert (status, "told to stop" in said) == (0, True)
        assert "running, to be cancelled" in _done(capsys, "runs")[1]


def test_forget_removes_runs(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Several at once, and nothing is left of them."""
    _, said, _ = _done(capsys, "forget", "one", "two")
    assert said == "one is forgotten.\ntwo is forgotten.\n"
    assert _done(capsys, "runs")[1] == "There are no runs.\n"


@pytest.mark.parametrize("command", ["show", "cancel", "forget"])
def test_a_run_that_is_not_there_is_one_line(
    url: str, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """The line says what lists those that are there."""
    status, said, error = _done(capsys, command, "three")
    assert (status, said) == (1, "")
    assert error == (
        f"supervisor: there is no run 'three' in {url}; `autogen-supervisor runs` lists them\n"
    )


# -- what is said of a run ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status", "ending"),
    [
        ({}, "running", "in host/7"),
        ({"owner": None}, "running, owner gone", ""),
        ({"is_cancel_requested": True}, "running, to be cancelled", "in host/7"),
        (
            {"status": RunStatus.CANCELLED, "is_cancel_requested": True, "owner": None},
            "cancelled",
            "",
        ),
        (
            {"status": RunStatus.FAILED, "owner": None, "error": "no\ncredit", "stop_reason": "x"},
            "failed",
            "no credit",
        ),
        (
            {"status": RunStatus.STOPPED, "owner": None, "stop_reason": "Stopped by SIGTERM"},
            "stopped",
            "Stopped by SIGTERM",
        ),
    ],
)
def test_a_runs_status_and_why(changes: dict[str, Any], status: str, ending: str) -> None:
    """Of what is at work who has it, and else why it is not."""
    info = dataclasses.replace(INFO, **changes)
    assert (words.status_of(info), words.ending(info)) == (status, ending)


def test_a_table_is_aligned_by_cells_and_cut_off_at_the_terminals() -> None:
    """Wide characters take two cells; control characters are pictures."""
    runs = [INFO, dataclasses.replace(INFO, id="報告\x1b")]
    lines = words.table(runs, 60).splitlines()
    assert lines[1].startswith("report  running  1,200")
    assert lines[2].startswith("報告␛   running  1,200")
    assert max(map(len, lines)) <= 60


def test_messages_are_shown_by_their_types() -> None:
    """Calls and their results, handoffs, code, and types that nobody knows."""
    items = [
        {"type": "TextMessage", "id": "1", "source": "user", "content": "Go"},
        {
            "type": "ToolCallRequestEvent",
            "id": "2",
            "source": "ann",
            "created_at": "2026-01-01T00:00:01Z",
            "content": [{"id": "c", "name": "look", "arguments": '{"at": "it"}'}],
        },
        {
            "type": "ToolCallExecutionEvent",
            "id": "3",
            "source": "ann",
            "created_at": "2026-01-01T00:00:03Z",
            "content": [{"call_id": "c", "name": "look", "content": "seen", "is_error": False}],
        },
        {"type": "HandoffMessage", "id": "4", "source": "ann", "target": "bob", "content": "You"},
        {"type": "CodeExecutionEvent", "id": "5", "source": "bob", "result": {"exit_code": 2}},
        {"$": "MyMessage", "id": "6", "source": "bob", "content": {"answer": 42}},
        {"type": "MyMessage", "id": "6", "source": "bob", "content": {"answer": 42}},
        {"type": "MultiModalMessage", "id": "7", "source": "bob", "content": ["See", {"data": ""}]},
    ]
    transcript, moment = Transcript(80, False, clock=lambda: moment), 0.0
    said = ""
    for message in stored_messages(items):
        moment = message.moment or moment
        said += transcript.render(message)
    assert '⚙ look(at="it") 2.0 s' in said
    assert "→ bob" in said
    assert "exited with 2" in said
    assert said.count('{"answer": 42}') == 1
    assert "See\n[image]" in said


def test_a_state_directory_that_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says which variable to set, or which flag to give."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.delenv("SUPERVISOR_CHECKPOINTS", raising=False)
    status, _, error = _done(capsys, "runs")
    assert (status, error.count("\n")) == (1, 1)
    assert "cannot be made: Not a directory; set XDG_STATE_HOME, or give" in error


def test_a_row_that_is_damaged_is_one_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the run, and nothing is shown of it."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        connection.execute("UPDATE sv_run SET turn = 'x'")
        connection.commit()
    status, said, error = _done(capsys, "show", "one")
    assert (status, said, error.count("\n")) == (1, "", 1)
    assert "one" in error


def test_a_run_that_is_over_is_not_tried_again(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`retry` is for runs that are at rest, and says so."""
    status, said, error = _done(capsys, "retry", "one", "--store", url)
    assert (status, said, error.count("\n")) == (1, "", 1)
    assert "one" in error


def test_a_run_at_rest_is_tried_again(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is queued; a store in a file has no workers that wait to be told of it."""
    _done(capsys, "cancel", "two")
    assert _done(capsys, "retry", "two", "--store", url) == (0, "two is queued.\n", "")
    with closing(open_store(url)) as store:
        assert store.wanting() == ["two"]


@pytest.mark.parametrize(
    ("store", "says"),
    [
        ("postgresql://127.0.0.1:1/runs", "cannot use postgresql://127.0.0.1:1/runs: "),
        ("sqlite:///~nobody-of-that-name/runs.db", "name the home of a user who has one"),
    ],
)
def test_a_store_that_nobody_can_open_is_one_line(
    capsys: pytest.CaptureFixture[str], store: str, says: str
) -> None:
    """A server that does not answer, and the home of nobody: the line is the store's own."""
    status, said, error = _done(capsys, "runs", "--checkpoints", store)
    assert (status > 0, said, error.count("\n")) == (True, "", 1)
    assert says in error


def test_an_id_is_submitted_once(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The run that is there already is left as it is."""
    words = ("submit", "tests.cli.speakers:poet", "Write", "--store", url, "--id", "two")
    status, said, error = _done(capsys, *words)
    assert (status, said) == (1, "")
    assert error == "supervisor: there is a run 'two' already; give another --id\n"


def test_calls_are_told_with_whether_they_have_come_back() -> None:
    """A call without a result may have been made, or not: a person has to look."""
    more: dict[str, Any] = {"kind": "tool", "turn": 1, "agent": "ann", "fence": 1}
    calls = [
        CallRecord(id="1", tool="look", arguments='{"at": "it"}', result='"seen"', **more),
        CallRecord(id="2", tool="send", arguments="{}", result=None, **more),
    ]
    found = RunDetails(info=INFO, task=None, messages=[], calls=calls)
    said = as_text(found, None, color=False, verbose=False).splitlines()
    assert said[-2:] == [
        'call     ann: look(at="it") has a result',
        "call     ann: send() has no result",
    ]


def test_a_message_has_no_field_that_was_not_stored() -> None:
    """As any object; so what shows it can ask."""
    (message,) = stored_messages([{"type": "TextMessage", "content": "hi"}])
    assert message.content == "hi"
    assert not hasattr(message, "models_usage")

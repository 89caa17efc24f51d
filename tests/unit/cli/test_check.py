"""`check`: its command line, its report, and what it says of where it runs."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from supervisor._cli import check
from supervisor._cli.check import command_line, environment, report
from supervisor._cli.check.environment import Facts, look
from supervisor._cli.check.finding import Finding, note, ok, problem
from supervisor._cli.errors import CommandError
from tests.unit.cli import team_files

ALL = [ok("a", "right"), note("b", "so", "do"), problem("c", "wrong\x1b", "fix it")]


def facts(environ: Mapping[str, str] | None = None, **more: Any) -> list[Finding]:
    """Return what is said of an environment that is all right but for this."""
    given: dict[str, Any] = {"pid": 7, "parent": 3, "first": "tini", "handler": str, **more}
    return list(look(Facts(environ=environ or {}, **given)))


def ignores_sigterm(number: int) -> object:
    """Return the handlers of a process whose starter has ignored SIGTERM."""
    return signal.SIG_IGN if number == signal.SIGTERM else signal.SIG_DFL


def nothing(_: object) -> list[Finding]:
    """Find nothing."""
    return []


def problems(found: list[Finding]) -> list[str]:
    """Return what the problems say."""
    return [each.says for each in found if each.level == "problem"]


def test_an_environment_that_is_right() -> None:
    """Under an init, with signals that are heard, there is no problem."""
    assert problems(facts()) == []
    assert problems(facts({"SUPERVISOR_GRACE": "20"}, pid=1, has_terminal=True)) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"environ": {"SUPERVISOR_GRACE": "soon"}}, "SUPERVISOR_GRACE"),
        ({"first": "sh", "parent": 1}, "it is a shell (sh)"),
        ({"handler": ignores_sigterm}, "SIGTERM was ignored"),
        ({"blocked": frozenset({signal.SIGTERM})}, "SIGTERM is blocked"),
    ],
)
def test_an_environment_that_is_not(more: dict[str, Any], said: str) -> None:
    """Each thing that keeps a signal away, or a setting that cannot be, is a problem."""
    (found,) = problems(facts(**more))
    assert said in found


def test_off_is_worth_a_note() -> None:
    """Without a deadline, what refuses to end is left."""
    assert any("no deadline" in each.says for each in facts({"SUPERVISOR_GRACE": "off"}))


def test_the_report_for_a_person() -> None:
    """A line for each finding, one for its advice, and how many problems there are."""
    assert report.as_text(ALL).splitlines() == [
        "ok       a: right",
        "note     b: so",
        "         do",
        "problem  c: wrong␛",
        "         fix it",
        "1 problem was found.",
    ]
    assert report.as_text(ALL[:2]).endswith("No problem was found.\n")
    assert report.as_text(ALL * 2).endswith("2 problems were found.\n")


def test_the_report_for_a_program() -> None:
    """JSON with a version, the number of problems, and all findings."""
    found = json.loads(report.as_json(ALL))
    assert (found["schema_version"], found["problems"], len(found["findings"])) == (1, 1, 3)
    assert found["findings"][1] == {"level": "note", "where": "b", "says": "so", "advice": "do"}


def test_the_status_is_for_ci() -> None:
    """Only a problem makes it 1."""
    assert (report.status(ALL), report.status(ALL[:2])) == (1, 0)


def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[object, Any]:
    """Return the status and the findings of a check, without those of the environment."""
    monkeypatch.setattr("supervisor._cli.check.environment.look", nothing)
    with pytest.raises(SystemExit) as ended:
        check.main(["--json", *words])
    return ended.value.code, json.loads(capsys.readouterr().out)["findings"]


def test_files_a_target_and_a_command_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is looked at, and told of by its name."""
    unit = tmp_path / "a.service"
    unit.write_text("[Service]\nExecStart=/usr/bin/python app.py\nKillMode=mixed\n")
    words = [str(unit), "tests.cli.speakers:poet", "--", "uvicorn", "app:app"]
    status, found = run(capsys, monkeypatch, *words)
    assert status == 1
    told = [(each["where"].rpartition("/")[2], each["level"]) for each in found]
    assert told == [
        ("tests.cli.speakers:poet", "ok"),
        ("a.service: [Service]", "ok"),
        ("a.service: [Service]", "ok"),
        ("command", "problem"),
        ("command", "note"),
    ]


def test_a_target_that_cannot_be_loaded_is_a_problem(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says why, in one line."""
    status, (found,) = run(capsys, monkeypatch, "tests.cli.speakers:nobody")
    assert status == 1
    assert found["says"].startswith("it cannot be loaded: ")


def test_a_team_file_is_checked_with_the_flags_of_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What needs trust is a problem, and none with --trust."""
    monkeypatch.chdir(tmp_path)  # the file's code writes there
    file = str(team_files.write(tmp_path, team_files.with_tool(team_files.TOOL)))
    status, (found,) = run(capsys, monkeypatch, file)
    assert (status, "--trust" in found["says"]) == (1, True)
    status, (found,) = run(capsys, monkeypatch, file, "--trust")
    assert (status, found["level"]) == (0, "ok")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["nope.yaml"], "there is no file 'nope.yaml'"),
        (["nope"], "'nope' is no file"),
        (["--nope"], "unrecognized arguments: --nope"),
        (["a:b", "c:d"], "'c:d' is a second target"),
        (["--"], "no command stands behind --"),
        ([str(Path(__file__).parent)], "is a folder; give"),
        ([str(Path(__file__).parent.parent.parent / "README.md")], "no file that can be checked"),
    ],
)
def test_a_wrong_command_line_is_one_line(words: list[str], error: str) -> None:
    """It is a usage error, and nothing is looked at."""
    with pytest.raises(CommandError, match=error) as raised:
        command_line.read(words)
    assert raised.value.status == 2


def test_a_program_is_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script is noted, for only running it would tell more."""
    script = tmp_path / "app.py"
    script.write_text("raise AssertionError\n")
    status, (found,) = run(capsys, monkeypatch, str(script))
    assert (status, found["level"]) == (0, "note")
    assert "nothing of it is run here" in found["says"]


@pytest.mark.parametrize(
    ("installed", "said", "advice"),
    [
        (None, "autogen-agentchat is not installed", "pip install autogen-agentchat"),
        ("0.4.0", "autogen-agentchat 0.4.0 is installed", "pip install 'autogen-agentchat"),
    ],
)
def test_an_autogen_that_does_not_fit(
    installed: str | None, said: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None, or one of another version, is a problem that says what to install."""

    def version(name: str) -> str:
        if installed is None:
            raise PackageNotFoundError(name)
        return installed

    monkeypatch.setattr(environment, "version", version)
    (found,) = [each for each in facts() if each.level == "problem"]
    assert found.says.startswith(said)
    assert found.advice.startswith(advice)


def test_what_only_the_extra_brings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be imported is named, with the extra that has it."""

    def find_spec(name: str) -> object:
        return None if name == "rich" else name

    monkeypatch.setattr(environment, "find_spec", find_spec)
    (found,) = [each for each in facts() if each.where == "extra [cli]"]
    assert found.says.startswith("rich cannot be imported")
    assert found.advice == "pip install 'autogen-supervisor[cli]'"


def test_a_process_1_that_cannot_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where /proc is hidden, it counts as not known, and that is all."""

    def hidden(*_: object, **__: object) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", hidden)
    found = environment.facts()
    monkeypatch.undo()
    assert found.first == ""
    assert "it is not known" in [each.says for each in look(found) if each.where == "PID 1"]

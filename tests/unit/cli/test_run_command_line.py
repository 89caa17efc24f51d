"""The command line of `run`."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from supervisor._cli.errors import CommandError
from supervisor._cli.run.command_line import Command, read, task_of


def _read(line: str) -> Command:
    return read(line.split())


@pytest.mark.parametrize(
    "line",
    [
        "--drain 3 --output-format json teams:make task",
        "teams:make --drain 3 task --output-format json",
        "teams:make task --drain=3 --output-format=json",
        "--drain 3 teams:make --output-format json -- task",
    ],
)
def test_our_options_may_stand_anywhere_for_a_team(line: str) -> None:
    """Wherever the options stand, the same is run in the same way."""
    command = _read(line)
    assert (command.target.kind, command.target.word) == ("object", "teams:make")
    assert (command.task, command.settings.drain, command.output_format) == ("task", 3.0, "json")


def test_a_run_with_an_id_may_have_no_task() -> None:
    """It goes on with the one that it was begun with."""
    command = _read("teams:make --id one")
    assert (command.run_id, command.task, task_of(command)) == ("one", None, None)


def test_what_stands_behind_a_program_is_the_programs() -> None:
    """Options before a program are ours, and those behind it are not looked at."""
    command = _read("--drain 3 app.py --drain 4 -m x - -- --output-format json")
    assert (command.target.kind, command.settings.drain) == ("program", 3.0)
    assert command.words == ("--drain", "4", "-m", "x", "-", "--", "--output-format", "json")


@pytest.mark.parametrize("module", ["-m some.package", "-msome.package"])
def test_what_stands_behind_a_package_is_the_packages(module: str) -> None:
    """`-m` ends our options."""
    command = _read(f"--quiet {module} --quiet team.json")
    assert (command.target.kind, command.target.place) == ("program", "some.package")
    assert (command.words, command.settings.quiet) == (("--quiet", "team.json"), True)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("", "no target was given"),
        ("--drain 3", "no target was given"),
        ("teams:make", "no task was given"),
        ("teams:make two words", "'words' stands behind the task"),
        ("teams:make --task-file f task", "give one of them"),
        ("teams:make task --nothing", "--nothing"),
        ("teams:make task --drain", "--drain"),
        ("--draining 3 teams:make task", "--draining"),
        ("teams:make task --output-format xml", "--output-format"),
        ("--output-format json app.py", "--output-format is for teams"),
        ("teams:make task --quiet --output-format json", "--quiet is for text"),
        ("--task-file f app.py", "--task-file is for teams"),
        ("teams:make task --id=", "give the run a name"),
        ("--id one -m package", "--id is for teams"),
        ("--trust -m package", "--trust is for teams"),
        ("teams:make -m package", "give one target"),
        ("nothing", "lacks an attribute"),
        ("no_such.json", "there is no file 'no_such.json'"),
        ("no_such.py:make", "there is no file 'no_such.py'"),
    ],
)
def test_a_wrong_command_line_is_one_line(line: str, named: str) -> None:
    """Each mistake has its own line, with the status of a usage error."""
    with pytest.raises(CommandError) as caught:
        _read(line)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.status == 2


def test_a_task_in_a_file(tmp_path: Path) -> None:
    """The last line break of a file is not part of the task."""
    file = tmp_path / "task.txt"
    file.write_text("Dig.\nAnd fill it.\n", encoding="utf-8")
    assert task_of(_read(f"teams:make --task-file {file}")) == "Dig.\nAnd fill it."


def test_help_is_given_whatever_stands_behind_it(capsys: pytest.CaptureFixture[str]) -> None:
    """`-h` counts before the words are looked at."""
    with pytest.raises(SystemExit) as caught:
        _read("-h extra")
    assert not caught.value.code
    assert "--task-file" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "has no task"),
        (b" \n", "has no task"),
        (b"\xff\xfe", "give text in UTF-8"),
        (None, "No such file or directory; give a file that can be read"),
    ],
)
def test_a_file_without_a_task_is_one_line(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    """An empty, an unreadable and a missing file are errors that name it."""
    file = tmp_path / "task.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CommandError) as caught:
        task_of(_read(f"teams:make --task-file {file}"))
    assert "\n" not in str(caught.value)
    assert says in str(caught.value)


def test_a_task_that_is_no_utf8_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that Python has read as lone surrogates are refused, whoever has given them."""
    monkeypatch.setattr("sys.stdin", io.StringIO("Dig \udcff"))
    for task in ("-", "\udcff"):
        with pytest.raises(CommandError, match=r"give text in UTF-8"):
            task_of(read(["teams:make", task]))

"""What a word of the command line names, and how an object of Python's is loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor._cli.errors import CommandError
from supervisor._cli.targets import Source, Target, load, parse

Write = Callable[..., Path]

TEAMS = """\
from autogen_agentchat.teams import RoundRobinGroupChat
from supervisor.testing import ScriptedAgent

def make_team():
    return RoundRobinGroupChat([ScriptedAgent("writer", "x")])

async def make_later():
    return make_team()

def needs(topic, *, size, more=1, **rest):
    return make_team()

def raises():
    raise ValueError("no model\\nsecond line")

def gives_none():
    pass

class Shelf:
    team = make_team()

team = make_team()
agent = ScriptedAgent("alone", "x")
number = 3
_cached = make_team()

def cached():
    return _cached
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return what writes a module into the current folder; what is imported is forgotten again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(text: str, name: str = "teams_of_test.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        module = ".".join(path.relative_to(tmp_path).with_suffix("").parts)
        monkeypatch.setitem(sys.modules, module, sys)  # so that it is taken away afterwards
        del sys.modules[module]
        return path

    return write


def _load(word: str) -> Source:
    return load(parse(word))


@pytest.mark.parametrize(
    ("word", "kind", "place", "attribute"),
    [
        ("teams:team", "object", "teams", "team"),
        ("my.teams:Shelf.team", "object", "my.teams", "Shelf.team"),
        ("teams.py:team", "object", "teams.py", "team"),
        ("./my/teams.py:team", "object", "./my/teams.py", "team"),
        ("C:/my/teams.py:team", "object", "C:/my/teams.py", "team"),
        ("team.json", "file", "team.json", ""),
        ("my/team.YAML", "file", "my/team.YAML", ""),
        ("team.yml", "file", "team.yml", ""),
        ("app.py", "program", "app.py", ""),
        ("/", "program", "/", ""),
    ],
)
def test_a_word_is_told_apart_by_its_form(word: str, kind: str, place: str, attribute: str) -> None:
    """An object has an attribute, a team file and a program their endings."""
    found = parse(word)
    assert (found.kind, found.word, found.place, found.attribute) == (kind, word, place, attribute)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("teams", "-m teams for a program"),
        ("team.txt", "is no file"),
        ("", "is nothing that can be run"),
        ("no such thing", "is nothing that can be run"),
        (f"too long {'x' * 300}", "is nothing that can be run"),
        ("no\0name", "is nothing that can be run"),
        ("my-teams:team", "neither a module's name nor a file"),
        ("team.json:team", "--select team"),
    ],
)
def test_a_word_that_names_nothing_is_refused(word: str, says: str) -> None:
    """The error says which forms there are."""
    with pytest.raises(CommandError, match=says) as raised:
        parse(word)
    assert raised.value.status == 2


def test_a_program_is_no_team() -> None:
    """A program cannot be loaded as a team; the error says what could."""
    with pytest.raises(CommandError, match=r"app\.py:ATTRIBUTE"):
        load(parse("app.py"))


def test_an_object_of_python_has_nothing_to_select(write: Write) -> None:
    """Selecting is for galleries."""
    write(TEAMS)
    with pytest.raises(CommandError, match="--select"):
        load(parse("teams_of_test:team"), select="x")


@pytest.mark.blocks  # a module is imported in the loop
@pytest.mark.parametrize(
    "word",
    [
        "teams_of_test:team",
        "teams_of_test:agent",
        "teams_of_test:Shelf.team",
        "teams_of_test:make_team",
        "teams_of_test:make_later",
        "teams_of_test.py:team",
        "teams_of_test.py:make_later",
    ],
)
async def test_each_build_gives_another_object(write: Write, word: str) -> None:
    """A function is called each time; for an object its module is imported again."""
    write(TEAMS)
    source = _load(word)
    assert source.name == word
    built = [await source.build() for _ in range(3)]
    assert len(set(map(id, built))) == 3
    assert all(callable(it.run_stream) for it in built)


@pytest.mark.blocks
@pytest.mark.parametrize("attribute", ["cached", "team"])
async def test_the_same_object_again_is_refused(write: Write, attribute: str) -> None:
    """Where a second build would give the same object, the error says what to give instead."""
    write(TEAMS)
    write("from teams_of_test import cached, team\n", "others_of_test.py")
    source = _load(f"others_of_test:{attribute}")
    await source.build()
    with pytest.raises(CommandError, match="name a function that makes one"):
        await source.build()


@pytest.mark.blocks
async def test_a_module_that_fails_the_second_time_stays_as_it_is(write: Write) -> None:
    """Where importing it again fails, the program keeps the module that it has."""
    path = write(TEAMS)
    source = _load("teams_of_test:team")
    await source.build()
    module = sys.modules["teams_of_test"]
    path.write_text("1 / 0  # of another length, so that no cache of the old text is used\n")
    with pytest.raises(CommandError, match="ZeroDivisionError"):
        await source.build()
    assert sys.modules["teams_of_test"] is module


@pytest.mark.blocks
async def test_a_module_that_was_taken_away_stays_away(write: Write) -> None:
    """Where importing it again fails, there is nothing to put back."""
    path = write(TEAMS)
    source = _load("teams_of_test:team")
    await source.build()
    del sys.modules["teams_of_test"]
    path.unlink()
    with pytest.raises(CommandError, match="there is no module"):
        await source.build()
    assert "teams_of_test" not in sys.modules


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("teams_of_test:taem", "did you mean 'team'?"),
        ("teams_of_test:xyz", "there is agent, team, cached, gives_none, make_later, make_team"),
        ("teams_of_test:Shelf.xyz", "there is agent"),
        ("teams_of_test:number", "is an object of type int; give a team"),
        ("teams_of_test:needs", "cannot be called without 'topic', 'size'"),
        ("teams_of_test.py:taem", "did you mean 'team'?"),
        ("teams_of_tset:team", "did you mean 'teams_of_test'?"),
        ("no_package.teams:team", "there is no module"),
        ("no_file.py:team", "there is no file 'no_file.py'"),
        ("empty_of_test:team", "the module has no team"),
        ("called_of_test:team", "is an object of type coroutine; give a team"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(write: Write, word: str, says: str) -> None:
    """An error names close names, and those that would fit."""
    write(TEAMS)
    write("", "empty_of_test.py")
    write("async def make(): ...\nteam = make()\n", "called_of_test.py")
    with pytest.raises(CommandError) as raised:
        _load(word)
    assert says in str(raised.value)
    assert raised.value.status == 2
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "says", "shows"),
    [
        ("def f():\n    1 / 0\nf()\n", "ZeroDivisionError: division by zero", "in f"),
        ("import no_such_module\n", "No module named 'no_such_module'", "line 1, in <module>"),
        ("def f(:\n", "SyntaxError", "def f(:"),
    ],
)
def test_a_module_that_raises_shows_its_own_traceback(
    write: Write, capsys: pytest.CaptureFixture[str], text: str, says: str, shows: str
) -> None:
    """The traceback is the user's alone: neither our frames nor those of the import are in it."""
    write(text)
    with pytest.raises(CommandError) as raised:
        _load("teams_of_test:team")
    assert says in str(raised.value)
    shown = capsys.readouterr().err
    assert shows in shown
    assert "supervisor" not in shown
    assert "importlib" not in shown


def test_a_module_that_calls_exit_is_an_error(write: Write) -> None:
    """What it says as it ends the program is in the error."""
    write("import sys\nsys.exit('set OPENAI_API_KEY')\n")
    with pytest.raises(CommandError, match="set OPENAI_API_KEY"):
        _load("teams_of_test:team")


def test_ctrl_c_in_an_import_stays_one(write: Write) -> None:
    """A Ctrl-C that the import has turned into another exception is a Ctrl-C again."""
    write(
        "try:\n    raise KeyboardInterrupt\nexcept BaseException as error:\n    raise ImportError\n"
    )
    with pytest.raises(KeyboardInterrupt):
        _load("teams_of_test:team")


@pytest.mark.blocks
@pytest.mark.parametrize(
    ("attribute", "says"),
    [("raises", "ValueError: no model"), ("gives_none", "returned None; let it return a team")],
)
async def test_a_function_that_makes_no_team_is_an_error(
    write: Write, capsys: pytest.CaptureFixture[str], attribute: str, says: str
) -> None:
    """What it raises is in one line, after its own traceback."""
    write(TEAMS)
    source = _load(f"teams_of_test:{attribute}")
    with pytest.raises(CommandError, match=says) as raised:
        await source.build()
    assert "\n" not in str(raised.value)
    shown = capsys.readouterr().err
    assert ("in raises" in shown) is (attribute == "raises")
    assert "imported.py" not in shown


def test_a_module_is_looked_for_in_the_current_folder(write: Write, tmp_path: Path) -> None:
    """The current folder stands first for a module, and the file's folder for a file."""
    write(TEAMS)
    write(f"import helper_of_test\n{TEAMS}", "inner/teams_in_folder.py")
    write("", "inner/helper_of_test.py")
    _load("teams_of_test:team")
    assert sys.path[0] == str(tmp_path)
    _load("inner/teams_in_folder.py:team")
    assert sys.path[0] == str(tmp_path / "inner")
    del sys.modules["helper_of_test"]
    del sys.modules["teams_in_folder"]


def test_a_file_may_be_called_like_a_module_of_pythons(write: Write) -> None:
    """A file `types.py` is loaded, and the module `types` stays what it is."""
    import types

    path = write(TEAMS, "types.py")
    sys.modules["types"] = types
    _load(f"{path}:team")
    assert sys.modules["types"] is types
    assert sys.modules.pop("_types_").__file__ == str(path)


def test_a_target_is_a_value() -> None:
    """Two targets of the same word are equal."""
    assert (
        parse("teams:team")
        == parse("teams:team")
        == Target("object", "teams:team", "teams", "team")
    )

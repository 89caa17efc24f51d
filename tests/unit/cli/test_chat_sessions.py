"""Where conversations are kept: what is written and when, and what another chat makes of it."""

# ruff: noqa: ASYNC240

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, cast

import pytest

from supervisor._cli.chat.conversation.progress import Progress
from supervisor._cli.chat.conversation.record import is_same_target
from supervisor._cli.chat.conversation.sessions import Sessions
from supervisor._cli.chat.conversation.writer import replace
from supervisor._cli.errors import CommandError
from supervisor._cli.state import state_directory
from supervisor.testing._settled import said
from tests.unit.cli.conversations import Chat, chat
from tests.unit.cli.test_chat_conversation import _is_of, pair
from tests.unit.testing.teams import agent, round_robin

TARGET = "team.py:team"

pytestmark = pytest.mark.blocks  # the tests read the files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where the sessions of a test are kept."""
    return tmp_path / "sessions"


def new(folder: Path, target: str = TARGET) -> Sessions:
    """Begin a session."""
    return Sessions(target, directory=folder)


def last(folder: Path, target: str = TARGET) -> Sessions:
    """Go on with the last session."""
    return Sessions(target, last=True, directory=folder)


def named(folder: Path, name: str, target: str = TARGET) -> Sessions:
    """Go on with a session by its name."""
    return Sessions(target, name=name, directory=folder)


def content(sessions: Sessions) -> dict[str, Any]:
    """Return what is in the file of a session."""
    return cast("dict[str, Any]", json.loads(sessions.path.read_text()))


async def talked(folder: Path) -> str:
    """Have one exchange, and return the session's name."""
    sessions = new(folder)
    async with chat(pair, sessions=sessions) as talk:
        await talk.exchange("Begin")
    return sessions.name


# -- what is written ----------------------------------------------------------------------------


async def test_only_the_user_can_read_it(folder: Path) -> None:
    """The directory has mode 0700 and each file 0600, whatever the umask is."""
    umask = os.umask(0)
    try:
        name = await talked(folder)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / f"{name}.json").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == [f"{name}.json"]


async def test_it_says_what_it_is(folder: Path) -> None:
    """The file has the version of its schema, the target, the shape, times, and a count."""
    sessions = new(folder)
    async with chat(pair, sessions=sessions) as talk:
        await talk.exchange("Begin")
        await talk._progress.flush()
        found = content(sessions)
    assert (found["schema_version"], found["target"]) == (1, TARGET)
    assert found["folder"] == str(Path.cwd())
    assert found["shape"] == [
        "team (RoundRobinGroupChat)",
        "ann (AssistantAgent)",
        "bob (AssistantAgent)",
    ]
    assert found["begun"] <= found["saved"]
    assert found["messages"] == 3


async def test_the_user_says_where_state_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """`XDG_STATE_HOME` counts if it is absolute, as its specification says."""
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    assert state_directory() == Path("/var/state/autogen-supervisor")
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    assert state_directory() == Path.home() / ".local/state/autogen-supervisor"


def test_a_user_without_a_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says which variable to set."""

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(CommandError, match="XDG_STATE_HOME"):
        state_directory()


async def test_it_is_saved_after_each_turn(folder: Path) -> None:
    """When a turn begins, the file has the turn before it: a kill loses the turn in progress."""
    sessions = new(folder)
    async with chat(lambda: pair(3), sessions=sessions) as talk:
        counts: list[int] = []
        noted = talk._progress.note_turn

        def note_turn(state: Any, messages: int) -> None:
            noted(state, messages)
            assert sessions._writer._last is not None
            sessions._writer._last.result()
            counts.append(content(sessions)["messages"])

        talk._progress.note_turn = note_turn  # type: ignore[method-assign]
        await talk.exchange("Begin")
        await talk._progress.flush()
        counts.append(content(sessions)["messages"])
    assert counts == [2, 3, 4]


def _kill(talk: Chat) -> None:
    """Let nothing more be written, as if the process were gone."""
    assert talk._progress._sessions is not None
    talk._progress._sessions._writer.close()
    talk._progress._sessions._writer.write = lambda *_: None  # type: ignore[method-assign]


async def test_killed_in_the_second_turn(folder: Path) -> None:
    """The first turn is there, an empty line goes on, and the interrupted member is next."""
    async with chat(lambda: pair(4), sessions=new(folder)) as talk:

        def kill(event: object) -> None:
            if _is_of(event, "bob"):
                _kill(talk)

        talk.on = kill
        await talk.exchange("Begin")
    async with chat(lambda: pair(4), sessions=last(folder)) as talk:
        assert "cut off" in talk.opening
        assert talk.can_go_on
        assert said(talk.team)[0][0] == "ann"
        first = len(said(talk.team))
        done = await talk.exchange(None)
        assert done.outcome == "finished"
        speakers = [who for who, _ in said(talk.team)]
        assert speakers[first] == ("bob" if first % 2 else "ann")
        assert "taken back" in await talk.command("/undo")
        assert not said(talk.team)


async def test_killed_before_anybody_has_answered(folder: Path) -> None:
    """The words are there, and the team has not heard them."""
    async with chat(lambda: round_robin(agent("ann", streams=True)), sessions=new(folder)) as talk:

        def kill(_: object) -> None:
            talk.on = lambda _: None
            _kill(talk)

        talk.on = kill
        await talk.exchange("Begin")
    async with chat(lambda: round_robin(agent("ann")), sessions=last(folder)) as talk:
        assert talk.unanswered == "Begin"
        assert "not answered" in talk.opening
        assert not said(talk.team)


# -- going on -----------------------------------------------------------------------------------


async def test_going_on_with_the_last_one(folder: Path) -> None:
    """`-c` has the messages and the steps of `/undo`, and the same name and line."""
    name = await talked(folder)
    async with chat(pair, sessions=last(folder)) as talk:
        assert talk.opening == f"Going on with {name}: 3 messages."
        assert talk.resume_line == f"autogen-supervisor chat {TARGET} -r {name}"
        assert [who for who, _ in said(talk.team)] == ["ann", "bob"]
        assert "taken back" in await talk.command("/undo")


async def test_an_empty_session_is_not_the_last(folder: Path) -> None:
    """A chat in which nothing was said does not hide the one before it."""
    name = await talked(folder)
    async with chat(pair, sessions=new(folder)):
        pass
    sessions = last(folder)
    async with chat(pair, sessions=sessions):
        assert sessions.name == name


async def test_the_last_one_is_of_this_target_in_this_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sessions of another target, or begun in another folder, are not gone on with."""
    await talked(folder)
    with pytest.raises(CommandError, match=r"no session of 'other\.py:team' in this folder"):
        last(folder, "other.py:team").open([])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match="begin one without -c"):
        last(folder).open([])


async def test_a_session_of_another_target(folder: Path) -> None:
    """One line says whose it is, and how to go on with it."""
    name = await talked(folder)
    with pytest.raises(CommandError) as raised:
        async with chat(pair, sessions=named(folder, name, "other.py:team")):
            pass
    assert f"is one of '{TARGET}'" in str(raised.value)
    assert f"chat {TARGET} -r {name}" in str(raised.value)
    assert "\n" not in str(raised.value)


async def test_a_session_of_another_shape(folder: Path) -> None:
    """One line says what the team was and what it is now, and the file is as it was."""
    name = await talked(folder)
    before = (folder / f"{name}.json").read_bytes()
    with pytest.raises(CommandError) as raised:
        async with chat(lambda: round_robin(agent("eve")), sessions=named(folder, name)):
            pass
    assert "bob (AssistantAgent); now it is" in str(raised.value)
    assert (folder / f"{name}.json").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is damaged"),
        ("[]", "is no saved conversation"),
        ('{"schema_version": 99}', "a newer version"),
        ('{"schema_version": 1}', "is damaged"),
        ("\\xff", "is damaged"),
    ],
)
def test_a_file_that_cannot_be_used(folder: Path, text: str, says: str) -> None:
    """One line says why, and the file is left as it is."""
    folder.mkdir()
    path = folder / "it.json"
    path.write_text(text)
    sessions = named(folder, "it")
    with pytest.raises(CommandError, match=says) as raised:
        sessions.open([])
    sessions.close()
    assert "\n" not in str(raised.value)
    assert path.read_text() == text


def test_a_name_that_is_none(folder: Path) -> None:
    """A name never leads out of the directory."""
    for name in ("../it", "", "/etc/passwd", ".it"):
        with pytest.raises(CommandError, match="no name of a session"):
            named(folder, name).open([])


async def test_a_name_that_is_not_there(folder: Path) -> None:
    """The line names the sessions that there are."""
    name = await talked(folder)
    with pytest.raises(CommandError, match=f"those of '{TARGET}' are {name}"):
        named(folder, "other").open([])


async def test_two_chats_on_one_session(folder: Path) -> None:
    """The second one says so, with the process that has it; after the first it can go on."""
    name = await talked(folder)
    async with chat(pair, sessions=named(folder, name)):
        with pytest.raises(CommandError, match=rf"another chat \(process {os.getpid()}\)"):
            named(folder, name).open([])
    async with chat(pair, sessions=named(folder, name)) as talk:
        assert said(talk.team)


# -- where nothing can be written ---------------------------------------------------------------


async def test_what_cannot_be_written_is_said_once(folder: Path) -> None:
    """The first exchange says why the conversation is not kept; the chat goes on."""
    folder.write_text("a file where a directory should be")
    async with chat(pair, sessions=new(folder)) as talk:
        assert "not kept" in talk.opening
        assert "File exists" in talk.opening or "Not a directory" in talk.opening
        done = await talk.exchange("Begin")
        assert done.outcome == "finished"
        assert "not kept" not in done.notice


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    """A file is replaced whole or not at all, and nothing is left beside it."""
    path = tmp_path / "it.json"
    replace(path, "before")
    with pytest.raises(UnicodeEncodeError):
        replace(path, "after \ud800")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


async def test_a_state_that_is_no_json(folder: Path) -> None:
    """It is said once, and undoing works in this process all the same."""

    class Odd(type(agent("x"))):  # type: ignore[misc]
        async def save_state(self) -> dict[str, Any]:
            return {"type": "odd", "what": object()}

        async def load_state(self, state: Any) -> None:
            """Load nothing."""

    async with chat(lambda: Odd("ann", agent("x")._model_client), sessions=new(folder)) as talk:
        assert "cannot be written" in talk.opening
        await talk.exchange("One")
        assert "taken back" in await talk.command("/undo")
        assert not said(talk.team)


def test_without_sessions_nothing_is_kept() -> None:
    """A conversation that is kept nowhere has no line to go on by."""
    assert Progress(None).resume_line == ""


def test_the_line_has_the_options_of_the_target(folder: Path) -> None:
    """What the target cannot be loaded without stands in the line, quoted for a shell."""
    sessions = Sessions("my team.json", options=["--trust"], directory=folder)
    line = sessions.resume_line
    progress = Progress(sessions)
    assert progress.resume_line == "", "it was not opened"
    assert line == f"autogen-supervisor chat 'my team.json' --trust -r {sessions.name}"


def test_a_target_is_the_same_by_any_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`./team.json` goes on with the session of `team.json`, and another file's does not."""
    monkeypatch.chdir(tmp_path)
    folder = str(tmp_path)
    assert is_same_target("team.json", "./team.json", folder)
    assert is_same_target("a.py:make", f"{tmp_path}/a.py:make", folder)
    assert not is_same_target("a.py:make", "a.py:other", folder)
    assert not is_same_target("package.a:make", "package.b:make", folder)

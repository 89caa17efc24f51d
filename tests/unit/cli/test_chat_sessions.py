"""Where conversations are kept: what is written and when, and what another chat makes of it."""

# ruff: noqa: ASYNC240

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent

from supervisor._checkpoints.integrity import Sealer, check
from supervisor._checkpoints.snapshot import Kept, Snapshot
from supervisor._checkpoints.sql_store import SqlStore
from supervisor._checkpoints.store import Commit, End, NewRun, Renewal, RunStatus
from supervisor._checkpoints.urls import open_store
from supervisor._cli.chat.conversation import writer
from supervisor._cli.chat.conversation.files import replace
from supervisor._cli.chat.conversation.points import Point
from supervisor._cli.chat.conversation.progress import Progress
from supervisor._cli.chat.conversation.record import Damaged, Record, is_same_target
from supervisor._cli.chat.conversation.sessions import Sessions
from supervisor._cli.errors import CommandError
from supervisor._cli.state import state_directory
from supervisor._core.errors import StoreUnavailable
from supervisor.testing import ScriptedAgent, ScriptedModel
from supervisor.testing._settled import said
from tests.unit.cli.conversations import SECONDS, Chat, chat
from tests.unit.cli.test_chat_conversation import _is_of, pair
from tests.unit.testing.teams import agent, round_robin

TARGET = "team.py:team"

pytestmark = pytest.mark.blocks  # the tests read the files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where the sessions of a test are kept."""
    path = tmp_path / "sessions"
    path.mkdir()
    return path


def url(folder: Path) -> str:
    """Return the URL of the store in a folder."""
    return f"sqlite:///{folder / 'runs.db'}"


def new(folder: Path, target: str = TARGET) -> Sessions:
    """Begin a session."""
    return Sessions(target, store=url(folder), directory=folder)


def last(folder: Path, target: str = TARGET) -> Sessions:
    """Go on with the last session."""
    return Sessions(target, last=True, store=url(folder), directory=folder)


def named(folder: Path, name: str, target: str = TARGET) -> Sessions:
    """Go on with a session by its name."""
    return Sessions(target, name=name, store=url(folder), directory=folder)


def kept(folder: Path, name: str) -> Kept:
    """Return what the store has of a session."""
    with closing(open_store(url(folder))) as store:
        found = check(store.load(name))
    assert found is not None
    return found


async def talked(folder: Path) -> str:
    """Have one exchange, and return the session's name."""
    sessions = new(folder)
    async with chat(pair, sessions=sessions) as talk:
        await talk.exchange("Begin")
    return sessions.name


# -- what is written ----------------------------------------------------------------------------


async def test_only_the_user_can_read_it(folder: Path) -> None:
    """Each file of the store has mode 0600, whatever the umask is."""
    umask = os.umask(0)
    try:
        name = await talked(folder)
    finally:
        os.umask(umask)
    assert kept(folder, name).turn == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


async def test_it_says_what_it_is(folder: Path) -> None:
    """It has the version of its schema, the target, the shape, times, and what was said."""
    stored = kept(folder, await talked(folder))
    found = stored.rest
    assert (found["schema_version"], found["target"]) == (1, TARGET)
    assert found["folder"] == str(Path.cwd())
    assert found["shape"] == [
        "team (RoundRobinGroupChat)",
        "ann (AssistantAgent)",
        "bob (AssistantAgent)",
    ]
    assert found["begun"] <= found["saved"]
    assert found["messages"] == 3
    assert [item["source"] for item in stored.logs["output"]] == ["user", "ann", "bob"]


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
    """When a turn begins, the store has the turn before it: a kill loses the turn in progress."""
    sessions = new(folder)
    async with chat(lambda: pair(3), sessions=sessions) as talk:
        counts: list[int] = []
        noted = talk._progress.note_turn

        def note_turn(state: Any, messages: int) -> None:
            noted(state, messages)
            assert sessions._writer._last is not None
            sessions._writer._last.result()
            counts.append(kept(folder, sessions.name).turn)

        talk._progress.note_turn = note_turn  # type: ignore[method-assign]
        await talk.exchange("Begin")
        await talk._progress.flush()
        counts.append(kept(folder, sessions.name).turn)
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
        options = f"--checkpoints {url(folder)} -r {name}"
        assert talk.resume_line == f"autogen-supervisor chat {TARGET} {options}"
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
    """Sessions of another target, or begun in another folder, are not continued."""
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
    """One line says what the team was and what it is now, and the session is as it was."""
    name = await talked(folder)
    before = kept(folder, name)
    with pytest.raises(CommandError) as raised:
        async with chat(lambda: round_robin(agent("eve")), sessions=named(folder, name)):
            pass
    assert "bob (AssistantAgent); now it is" in str(raised.value)
    assert kept(folder, name) == before


async def test_a_session_of_an_earlier_version(folder: Path) -> None:
    """A file of its own is continued, and left as it is; from then on the store has it."""
    old = folder / "old.json"
    async with chat(pair) as talk:
        await talk.exchange("Begin")
        replace(old, talk._progress.record().to_text("old", TARGET, str(Path.cwd())))
    before = old.read_bytes()
    async with chat(pair, sessions=last(folder)) as talk:
        assert talk.opening == "Going on with old: 3 messages."
        assert kept(folder, "old").turn == 3
        await talk.exchange("More")
    async with chat(pair, sessions=named(folder, "old")) as talk:
        assert [who for who, _ in said(talk.team)] == ["ann", "bob", "ann", "bob"]
    assert old.read_bytes() == before


async def test_a_session_with_a_name_of_the_users(folder: Path) -> None:
    """It is begun the first time, and continued the next."""

    def mine() -> Sessions:
        return Sessions(TARGET, name="mine", may_begin=True, store=url(folder), directory=folder)

    async with chat(pair, sessions=mine()) as talk:
        assert talk.opening == ""
        await talk.exchange("Begin")
    async with chat(pair, sessions=mine()) as talk:
        assert talk.opening == "Going on with mine: 3 messages."


async def test_a_run_is_no_session(folder: Path) -> None:
    """One line says how to go on with it."""
    with closing(open_store(url(folder))) as store:
        store.setup()
        store.submit("one", NewRun(team="team", shape="[]", task="[]"))
    with pytest.raises(CommandError, match=r"go on with it by: .* run team\.py:team --id one"):
        named(folder, "one").open([])


async def test_a_session_that_was_cancelled(folder: Path) -> None:
    """A chat that has it says so and goes on; no other one takes it."""
    sessions = new(folder)
    async with chat(pair, sessions=sessions) as talk:
        with closing(open_store(url(folder))) as store:
            assert store.request_cancel(sessions.name) == RunStatus.RUNNING
        renewing = sessions._writer._renewing
        assert renewing is not None
        await asyncio.to_thread(renewing.join, 30.0)
        done = await talk.exchange("Begin")
        assert "not kept: it was cancelled; the chat goes on" in done.notice
    with pytest.raises(CommandError, match="was cancelled; begin a new one"):
        named(folder, sessions.name).open([])


async def test_a_session_whose_row_is_damaged(folder: Path) -> None:
    """It is left as it is; `-c` passes over it."""
    name = await talked(folder)
    with closing(sqlite3.connect(folder / "runs.db")) as connection:
        connection.execute("UPDATE sv_run SET turn = 'x'")
        connection.commit()
    with pytest.raises(CommandError, match=f"cannot use the session '{name}': "):
        named(folder, name).open([])
    with pytest.raises(CommandError, match="there is no session of"):
        last(folder).open([])


def test_a_session_in_which_another_program_has_written(folder: Path) -> None:
    """What has no states of a conversation is left as it is."""
    with closing(open_store(url(folder))) as store:
        store.setup()
        store.submit("it", NewRun(team=f"chat {TARGET}", shape="[]", task="[]"))
        fence = store.acquire("it", "somebody", 15).fence
        assert fence is not None
        sealed = Sealer("it").seal(Snapshot(turn=0, changes=(), lengths={}, rest={}))
        end = End(status=RunStatus.STOPPED)
        store.commit(
            "it",
            fence,
            Commit(expects=0, turn=0, end=end, state=sealed.state, digest=sealed.digest),
        )
    with pytest.raises(CommandError, match="it is no conversation; it is left as it is"):
        named(folder, "it").open([])


async def test_the_last_one_may_have_nothing_yet(folder: Path) -> None:
    """Neither a run nor what nobody has written in; an empty one if there is no other."""
    with closing(open_store(url(folder))) as store:
        store.setup()
        store.submit("run", NewRun(team="team", shape="[]", task="[]"))
        store.submit("bare", NewRun(team=f"chat {TARGET}", shape="[]", task="[]"))
    with pytest.raises(CommandError, match="there is no session of"):
        last(folder).open([])
    sessions = new(folder)
    async with chat(pair, sessions=sessions):
        pass
    async with chat(pair, sessions=last(folder)) as talk:
        assert talk.opening == f"Going on with {sessions.name}: 0 messages."


async def test_a_state_that_does_not_fit_any_more(folder: Path) -> None:
    """A session whose agents cannot load what they have saved is not continued."""
    name = await talked(folder)

    async def load_state(self: object, state: object) -> None:
        raise ValueError("no such field")

    changed_class = type("AssistantAgent", (AssistantAgent,), {"load_state": load_state})

    def changed() -> Any:
        return round_robin(changed_class("ann", ScriptedModel()), agent("bob"), turns=2)

    sessions = named(folder, name)
    with pytest.raises(CommandError, match=f"session '{name}' does not fit: .*no such field"):
        async with chat(changed, sessions=sessions):
            pass
    sessions.close()


def test_a_store_that_is_none_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that names no store is told of where the session is opened."""
    monkeypatch.setenv("SUPERVISOR_CHECKPOINTS", "mysql://host/db")
    with pytest.raises(CommandError, match="sqlite:///"):
        Sessions(TARGET, directory=folder).open([])


async def test_saving_by_command(folder: Path) -> None:
    """Without a file it says where the session is; a file has the session's name and target."""
    sessions = new(folder)
    async with chat(pair, sessions=sessions) as talk:
        await talk.exchange("Begin")
        assert await talk.command("/save") == f"Saved in {url(folder)}."
        await talk.command(f"/save {folder / 'copy'}")
    found = json.loads((folder / "copy").read_text())
    assert (found["session"], found["target"]) == (sessions.name, TARGET)
    assert found["folder"] == str(Path.cwd())


async def test_a_store_that_fails_for_a_while(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chat goes on and says so once; when the store is back, it gets all of it."""
    sessions = new(folder)

    def fail(*_: object) -> None:
        raise StoreUnavailable(url(folder), "disk I/O error")

    async with chat(pair, sessions=sessions) as talk:
        with monkeypatch.context() as broken:
            broken.setattr(sessions._writer._store, "commit", fail)
            done = await talk.exchange("Begin")
        assert "disk I/O error" in done.notice
        assert "not kept" not in (await talk.exchange("More")).notice
        assert kept(folder, sessions.name).turn == 6


async def test_a_target_that_gives_no_state(folder: Path) -> None:
    """What cannot be saved is not kept, which is said; the chat goes on."""

    class Stateless(ScriptedAgent):
        async def save_state(self) -> dict[str, Any]:
            raise NotImplementedError

    async with chat(lambda: Stateless("ann", ["One"]), sessions=new(folder)) as talk:
        assert "(an agent of it gives none)" in talk.opening
        assert (await talk.exchange("Begin")).outcome == "finished"


def test_the_oldest_states_are_left_out_first() -> None:
    """Of many large states the newest are kept, as far as four million characters."""
    points = [Point(state={"number": n, "text": "x" * 1_500_000}) for n in range(4)]
    found = Record(point=points[-1], undo=tuple(points)).newest_undo()
    assert [json.loads(each)["state"]["number"] for each in found] == [2, 3]


def test_a_state_that_is_no_json_is_damage() -> None:
    """A store whose rows somebody has changed is not read as something else."""
    with pytest.raises(Damaged, match="it is damaged"):
        Record.from_parts({}, "{", [], [])


async def test_it_stays_ours_for_as_long_as_the_chat_is_open(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease is renewed again and again, also after the store has failed once."""
    renewed, is_down, renew = threading.Semaphore(0), threading.Event(), SqlStore.renew

    def renew_noted(*words: Any) -> Renewal:
        renewed.release()
        if is_down.is_set():
            is_down.clear()
            raise StoreUnavailable("sqlite:///runs.db", "gone")
        return renew(*words)

    monkeypatch.setattr(writer, "_LOOKS", 0.001)
    monkeypatch.setattr(SqlStore, "renew", renew_noted)
    async with chat(pair, sessions=new(folder)) as talk:
        for _ in range(3):
            assert await asyncio.to_thread(renewed.acquire, timeout=SECONDS)
            is_down.set()
        assert (await talk.exchange("Begin")).notice == "Maximum number of turns 2 reached."


async def test_a_lease_that_was_lost(folder: Path) -> None:
    """Nothing is written over what another chat has, and the chat says so."""
    sessions = new(folder)
    async with chat(pair, sessions=sessions) as talk:
        assert sessions._writer._row is not None
        sessions._writer._row.fence = 99
        done = await talk.exchange("Begin")
        assert "not kept: another chat has it by now" in done.notice
    assert kept(folder, sessions.name).turn == 0


async def test_what_was_said_is_as_long_as_the_conversation(folder: Path) -> None:
    """`/undo` takes it back, and `/undo` of a reset brings it again, in a later chat too."""
    sessions = new(folder)

    async def count(talk: Chat) -> int:
        await talk._progress.flush()
        return len(kept(folder, sessions.name).logs["output"])

    async with chat(pair, sessions=sessions) as talk:
        await talk.exchange("One")
        await talk.exchange("Two")
        assert await count(talk) == 6
        await talk.command("/undo")
        assert await count(talk) == 3
        await talk.command("/reset")
        assert await count(talk) == 0
        await talk.command("/undo")
        assert await count(talk) == 3
        await talk.exchange("Three")
    async with chat(pair, sessions=last(folder)) as talk:
        assert await count(talk) == 6
        await talk.command("/undo")
        assert await count(talk) == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is damaged"),
        ("[]", "is no saved conversation"),
        ('{"a": 1}', "is no saved conversation"),
        ('{"schema_version": 1, "now": {"state": []}}', "its state is no object"),
        ('{"schema_version": 99}', "a newer version"),
        ('{"schema_version": 1}', "is damaged"),
        ("\\xff", "is damaged"),
    ],
)
def test_a_file_of_an_earlier_version_that_cannot_be_used(
    folder: Path, text: str, says: str
) -> None:
    """One line says why, and the file is left as it is."""
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
        with pytest.raises(CommandError, match=rf"another chat \(.*/{os.getpid()}/"):
            named(folder, name).open([])
    async with chat(pair, sessions=named(folder, name)) as talk:
        assert said(talk.team)


# -- where nothing can be written ---------------------------------------------------------------


async def test_what_cannot_be_written_is_said_once(folder: Path) -> None:
    """The first exchange says why the conversation is not kept; the chat goes on."""
    folder.rmdir()
    folder.write_text("a file where a directory should be")
    async with chat(pair, sessions=new(folder)) as talk:
        assert "not kept" in talk.opening
        assert "the chat goes on" in talk.opening
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

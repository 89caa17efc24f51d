"""A store of each format that was released is read, and its runs go on."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest

from supervisor import Supervisor
from supervisor._checkpoints.integrity import check
from supervisor._checkpoints.schema import FORMAT
from supervisor._checkpoints.store import RunStatus
from supervisor._checkpoints.urls import open_store
from tests.checkpoints.kept_run import KeptRun, transcript
from tests.checkpoints.old_formats import FOLDER, PLAIN, TEAM, TURNS, team

_FILES = sorted(FOLDER.glob("*.db"))


@pytest.fixture(params=_FILES, ids=lambda path: path.stem)
def url(request: pytest.FixtureRequest, memory_path: Path) -> str:
    """Return a copy of the store of one format."""
    shutil.copy(request.param, memory_path / "runs.db")
    return f"sqlite:///{memory_path / 'runs.db'}"


def test_a_store_of_each_format_is_kept() -> None:
    """Whoever makes a new format keeps a store of it here."""
    assert [int(path.stem) for path in _FILES] == [*range(1, FORMAT + 1)]


def test_what_was_kept_is_read(url: str) -> None:
    """The runs, their logs, their calls and their statuses are there, and go on."""
    with contextlib.closing(open_store(url)) as store:
        store.setup()
        assert {info.id: info.status for info in store.list()} == {
            PLAIN: RunStatus.STOPPED,
            TEAM: RunStatus.RUNNING,
        }
        assert store.wanting() == [TEAM]
        stored = store.load(PLAIN)
        kept = check(stored)
        assert kept is not None
        assert kept.logs == {"thread": transcript(TURNS)}
        assert [call.result for call in stored.calls] == [str(turn) for turn in range(TURNS)]
        KeptRun(store, PLAIN).finish_turn()


async def test_a_team_goes_on(url: str) -> None:
    """A team whose process was killed in a tool goes on: the call is closed, and not made again."""
    async with Supervisor(checkpoints=url) as sup:
        result = await sup.stream(team(is_killed=False), id=TEAM)
    assert result is not None
    texts = [message.to_text() for message in result.messages]
    assert texts[:2] == ["Look it up", "A draft."]
    assert any("it is not known whether this call took effect" in text for text in texts)
    assert not any("is found" in text for text in texts)
    assert texts[-1] == "The end."

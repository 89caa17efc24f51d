"""How a run of a team begins on the command line, before any loop runs."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from supervisor import Supervisor
from supervisor._cli.errors import CommandError
from supervisor._cli.run import session
from supervisor._cli.run.command_line import Command, read
from supervisor._cli.run.keeping import Keeping
from supervisor._cli.run.loading import Loading, told_of_stops


def _command(line: str) -> Command:
    return read(line.split())


def test_a_store_that_cannot_be_is_one_line() -> None:
    """Before anything is loaded."""
    command = _command("no_such_module:team task --checkpoints nothing://x")
    with pytest.raises(CommandError, match="not valid for checkpoints"):
        session.run(command, Loading(command))


def test_a_person_is_told_by_the_command_what_cannot_be_loaded(tmp_path: Path) -> None:
    """As PID 1, where the target is loaded once the process has split in two."""
    command = _command(f"teams:team --task-file {tmp_path / 'missing'}")
    made = session.Session(command, Supervisor(signals={}), Loading(command), Keeping(command))
    with pytest.raises(CommandError, match="the task cannot be read"):
        made.load()


def test_a_sigterm_that_is_ignored_stays_so_while_the_target_is_loaded() -> None:
    """Who has started the program wants it so."""
    found = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with told_of_stops(lambda _: None, is_wanted=True):
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, found)


def test_a_handler_that_the_target_sets_stays() -> None:
    """Ours is taken back only where it still stands."""
    found = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with told_of_stops(lambda _: None, is_wanted=True):
            assert signal.signal(signal.SIGTERM, signal.SIG_IGN) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, found)

"""Which store a command line means, and opening it.

A flag wins over `SUPERVISOR_CHECKPOINTS`, and that over the store in the user's state directory, in
which `run --id` and `chat` keep their runs where nothing else was said.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from supervisor._cli import paths
from supervisor._cli.errors import CommandError
from supervisor._cli.options import STORE_VARIABLE
from supervisor._cli.state import state_directory
from supervisor._core.errors import CheckpointError, RunHeld, RunNotFound, SettingsError

if TYPE_CHECKING:
    from supervisor._checkpoints.store import CheckpointStore

_NOT_DONE: Final = 1
_SQLITE: Final = "sqlite:///"


def url_of(flag: str | None) -> str:
    """Return the URL of the store that is meant.

    Args:
        flag: What the flag says; None where it was not given.

    Raises:
        CommandError: The user has no home directory.
    """
    return flag or os.environ.get(STORE_VARIABLE) or user_store()


def without_password(url: str) -> str:
    """Return the URL of a store as it may be shown.

    Raises:
        SettingsError: It names no store.
    """
    from supervisor._checkpoints.urls import open_store

    return open_store(url).url


def user_store() -> str:
    """Return the URL of the store in the user's state directory; its folder is there.

    Raises:
        CommandError: The user has no home directory, or its folder cannot be made.
    """
    folder = state_directory()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(
            f"{str(folder)!r} cannot be made: {error.strerror or error}; "
            f"set XDG_STATE_HOME, or give --checkpoints URL",
            _NOT_DONE,
        ) from error
    return f"{_SQLITE}{folder / 'runs.db'}"


@contextmanager
def opened(flag: str | None, *, is_made: bool = False) -> Generator[CheckpointStore]:
    """Open the store that is meant, and close it.

    Args:
        flag: What the flag says; None where it was not given.
        is_made: Whether it is made where it is not there; else that is an error.

    Raises:
        CommandError: There is no such store, or what the block raises of it is told in one line.
    """
    from supervisor._checkpoints.urls import open_store

    url = url_of(flag)
    if not is_made and url != user_store():
        _check_is_there(url)
    try:
        with closing(open_store(url)) as store:
            store.setup()
            yield store
    except SettingsError as error:
        raise CommandError(f"{error}") from None
    except RunHeld as error:
        held = f"the run {error.run_id!r} is at work in {error.owner}"
        raise CommandError(f"{held}; cancel it, or wait for its end", _NOT_DONE) from None
    except RunNotFound as error:
        where = f"there is no run {error.run_id!r} in {error.store}"
        raise CommandError(f"{where}; `autogen-supervisor runs` lists them", _NOT_DONE) from None
    except CheckpointError as error:
        raise CommandError(f"{error}", _NOT_DONE) from None


def _check_is_there(url: str) -> None:
    """Raise where a file is named that is not there: only a run makes a store."""
    if not url.startswith(_SQLITE):
        return
    path = url.removeprefix(_SQLITE)
    with suppress(RuntimeError):  # of a user who is not there; the store says so
        path = str(Path(path).expanduser())
        if not paths.exists(path):
            raise CommandError(
                f"there is no store {path!r}; it is made by its first run: "
                "autogen-supervisor run TARGET TASK --checkpoints URL --id NAME",
                _NOT_DONE,
            )

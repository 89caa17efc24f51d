"""Where conversations are kept: each is a run in a store, in the user's state directory.

The store keeps a second chat from the same session. Conversations that an earlier version has kept
in files of their own are continued, too; then they are in the store as well.
"""

from __future__ import annotations

import functools
import json
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from supervisor._checkpoints.integrity import check
from supervisor._checkpoints.store import NewRun
from supervisor._cli import paths
from supervisor._cli.chat.conversation.files import read
from supervisor._cli.chat.conversation.kept_record import contents_of, record_of
from supervisor._cli.chat.conversation.record import Damaged, Record, is_same_target
from supervisor._cli.chat.conversation.writer import Writer
from supervisor._cli.errors import CommandError
from supervisor._cli.state import state_directory
from supervisor._cli.stored_runs.names import new_name
from supervisor._cli.stored_runs.store import url_of, without_password
from supervisor._core.errors import CheckpointError, RunHeld, RunNotFound, SettingsError

if TYPE_CHECKING:
    from supervisor._checkpoints.snapshot import Kept
    from supervisor._checkpoints.store import CheckpointStore

_SHOWN: Final = 3  # names of sessions in an error
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_CHAT: Final = "chat "
"""What stands before the target in the name of the team of a run that is a conversation."""


class Sessions:
    """The session of one chat, and the others beside it.

    Args:
        target: What is talked to, as it stands on the command line.
        name: The session to go on with.
        may_begin: Whether to begin it where it is not there.
        last: Whether to go on with the last session of this target in this folder.
        options: The words of the command line without which the target cannot be loaded.
        store: The URL of the store, as it was given; None for that of the user.
        directory: Where an earlier version has kept sessions; None for the user's state directory.
    """

    def __init__(
        self,
        target: str,
        *,
        name: str | None = None,
        may_begin: bool = False,
        last: bool = False,
        options: Sequence[str] = (),
        store: str | None = None,
        directory: Path | None = None,
    ) -> None:
        self.target = target
        self.folder = ""
        """Where the chat was begun; known once the session is open."""
        self.place = ""
        """Where it is kept, for a person; known once the session is open."""
        self.name = name if name is not None else new_name()
        self._options = [*options, *(["--checkpoints", without_password(store)] if store else [])]
        self._store = store
        self._directory = directory
        self._goes_on = name is not None or last
        self._may_begin = may_begin
        self._is_last = last and name is None
        self._shape: Sequence[str] = ()
        self._writer = Writer(self._open_store)
        self._problem = ""  # why there is no store
        self._has_said_problem = False

    def open(self, shape: Sequence[str]) -> Record | None:
        """Take the session for this chat; in a thread, for it waits for a disk.

        Args:
            shape: Of which agents the target consists now.

        Returns:
            What the session holds; None for a new one.

        Raises:
            CommandError: It cannot be continued; nothing of it was changed.
        """
        self.folder, self._shape = str(Path.cwd()), shape
        try:
            return self._open()
        except BaseException:
            self._writer.close()
            raise

    def _open(self) -> Record | None:
        if not self._is_last and not _NAME.fullmatch(self.name):
            raise CommandError(f"{self.name!r} is no name of a session; {self._those_there_are()}")
        try:
            if self._is_last:
                self.name = self._last()
            if self._goes_on:
                return self._go_on()
            self._begin()
        except SettingsError as error:
            raise CommandError(f"{error}") from None
        except RunHeld as error:
            raise CommandError(
                f"the session {self.name!r} is open in another chat ({error.owner}); "
                "end that one, or begin a new one without -c and -r"
            ) from None
        except CheckpointError as error:
            raise CommandError(f"cannot use the session {self.name!r}: {error}") from None
        return None

    def _begin(self) -> None:
        try:
            self._writer.take(self.name, self._new())
        except (CheckpointError, CommandError) as error:
            self._problem = f"{error}"  # the chat goes on, and says so

    def _go_on(self) -> Record | None:
        is_there, record = self._is_in_store(), self._in_file()
        if not is_there and record is None and not self._may_begin:
            raise CommandError(f"there is no session {self.name!r}; {self._those_there_are()}")
        if not is_there and record is not None:
            record.check(self.name, self.target, self._shape)
        taken = self._writer.take(self.name, None if is_there else self._new())
        if taken is None:
            raise CommandError(f"the session {self.name!r} was cancelled; begin a new one")
        if taken.kept is not None:
            record = self._record_of(taken.kept)
        if record is not None:
            record.check(self.name, self.target, self._shape)
        return record

    def _is_in_store(self) -> bool:
        try:
            info = self._writer.do(lambda store: store.info(self.name))
        except RunNotFound:
            return False
        if not info.team.startswith(_CHAT):
            raise CommandError(
                f"{self.name!r} is a run, and no session of a chat; "
                f"go on with it by: autogen-supervisor run {self.target} --id {self.name}"
            )
        return True

    def _in_file(self) -> Record | None:
        path = self._folder / f"{self.name}.json"
        return read(path) if paths.is_file(path) else None

    def _new(self) -> NewRun:
        task = {"target": self.target, "folder": self.folder}
        team, shape = f"{_CHAT}{self.target}", json.dumps(list(self._shape))
        return NewRun(team=team, shape=shape, task=json.dumps(task))

    def _record_of(self, kept: Kept) -> Record:
        try:
            return record_of(kept)
        except Damaged as error:
            raise CommandError(
                f"cannot use the session {self.name!r}: {error}; it is left as it is"
            ) from error

    @property
    def resume_line(self) -> str:
        """The command that goes on with it."""
        words = [self.target, *self._options, "-r", self.name]
        return f"autogen-supervisor chat {shlex.join(words)}"

    def write(self, record: Record) -> None:
        """Have the session written, soon; in any thread.

        Raises:
            TypeError: The state of an agent is no JSON.
            ValueError: The same.
        """
        self._writer.write(contents_of(record, self.name, self.target, self.folder))

    async def flush(self, problem: str, seconds: float | None) -> str:
        """Wait until everything is written.

        Args:
            problem: Why there is nothing to write; "" where there is.
            seconds: For how long at most.

        Returns:
            Why it is not written, the first time that is so; else "".
        """
        problem = self._problem or await self._writer.flush(seconds) or problem
        if self._has_said_problem:
            return ""
        self._has_said_problem = bool(problem)
        return problem

    def close(self) -> None:
        """Write what is left to write, and let others have the session."""
        self._writer.close()

    # -- which one ------------------------------------------------------------------------------

    def _last(self) -> str:
        """Return the last session of this target in this folder; an empty one only if none else."""
        empty = None
        for name, record in self._readable():
            is_here = record.folder == self.folder
            if is_here and is_same_target(record.target, self.target, self.folder):
                if record.point.messages or record.unanswered:
                    return name
                empty = empty or name
        if empty is None:
            raise CommandError(
                f"there is no session of {self.target!r} in this folder to go on with; "
                "begin one without -c"
            )
        return empty

    def _readable(self) -> Iterator[tuple[str, Record]]:
        """Yield the sessions, the last written first, but for those that cannot be read."""
        for info in self._writer.do(lambda store: store.list()):
            if info.team.startswith(_CHAT):
                with suppress(CheckpointError, Damaged):
                    yield info.id, self._writer.do(functools.partial(_read_kept, name=info.id))
        for path in _newest_first(self._folder):
            with suppress(CommandError):
                yield path.stem, read(path)

    def _those_there_are(self) -> str:
        found = [name for name, record in self._readable() if record.target == self.target]
        names = list(dict.fromkeys(found))
        if not names:
            return f"there are none of {self.target!r} yet"
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return f"those of {self.target!r} are {', '.join(names[:_SHOWN])}{more}"

    @property
    def _folder(self) -> Path:
        return self._directory or state_directory() / "sessions"

    def _open_store(self) -> CheckpointStore:
        from supervisor._checkpoints.urls import open_store

        store = open_store(url_of(self._store))
        self.place = store.url
        return store


def _read_kept(store: CheckpointStore, name: str) -> Record:
    kept = check(store.load(name))
    if kept is None:
        raise Damaged("nothing was written")
    return record_of(kept)


def _newest_first(folder: Path) -> list[Path]:
    found: list[tuple[float, Path]] = []
    for path in folder.glob("*.json"):
        with suppress(OSError):
            found.append((path.stat().st_mtime, path))
    return [path for _, path in sorted(found, reverse=True)]

"""Where conversations are kept: one file each, in the user's state directory.

A file is replaced whole: what is new is written beside it, and renamed. A thread of our own writes,
so that a slow disk does not hold the loop; of what comes while it writes, only the newest is
written next. A lock on a file beside it keeps a second chat from the same session; the kernel takes
it away with the process, whichever way that ends.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from supervisor._cli.chat.conversation.record import Damaged, Record, is_same_target
from supervisor._cli.chat.conversation.writer import Writer
from supervisor._cli.errors import CommandError
from supervisor._cli.state import state_directory

_SHOWN: Final = 3  # names of sessions in an error
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Sessions:
    """The session of one chat, and the others beside it.

    Args:
        target: What is talked to, as it stands on the command line.
        name: The session to go on with.
        last: Whether to go on with the last session of this target in this folder.
        options: The words of the command line without which the target cannot be loaded.
        directory: Where sessions are kept; None for the user's state directory.
    """

    def __init__(
        self,
        target: str,
        *,
        name: str | None = None,
        last: bool = False,
        options: Sequence[str] = (),
        directory: Path | None = None,
    ) -> None:
        self.target = target
        self.folder = ""
        """Where the chat was begun; known once the session is open."""
        self.name = name if name is not None else _new_name()
        self._options = tuple(options)
        self._directory = directory or state_directory() / "sessions"
        self._goes_on = name is not None or last
        self._is_last = last and name is None
        self._lock: int | None = None
        self._writer = Writer()
        self._has_said_problem = False

    @property
    def path(self) -> Path:
        """The file of the session."""
        return self._directory / f"{self.name}.json"

    def open(self, shape: Sequence[str]) -> Record | None:
        """Take the session for this chat; in a thread, for it reads files.

        Args:
            shape: Of which agents the target consists now.

        Returns:
            What the session holds; None for a new one.

        Raises:
            CommandError: It cannot be gone on with; nothing of it was changed.
        """
        self.folder = str(Path.cwd())
        if self._is_last:
            self.name = self._last()
        elif not _NAME.fullmatch(self.name):
            raise CommandError(f"{self.name!r} is no name of a session; {self._those_there_are()}")
        if not self._goes_on:
            self._take_lock()
            return None
        if not self.path.is_file():
            raise CommandError(f"there is no session {self.name!r}; {self._those_there_are()}")
        self._take_lock()
        record = read(self.path)
        record.check(self.name, self.target, shape)
        return record

    @property
    def resume_line(self) -> str:
        """The command that goes on with it."""
        words = [self.target, *self._options, "-r", self.name]
        return f"autogen-supervisor chat {shlex.join(words)}"

    def write(self, text: str) -> None:
        """Have the session written, soon; in any thread."""
        self._writer.write(self.path, text)

    async def flush(self, problem: str, seconds: float | None) -> str:
        """Wait until everything is written.

        Args:
            problem: Why there is nothing to write; "" where there is.
            seconds: For how long at most.

        Returns:
            Why it is not written, the first time that is so; else "".
        """
        problem = await self._writer.flush(seconds) or problem
        if self._has_said_problem:
            return ""
        self._has_said_problem = bool(problem)
        return problem

    def close(self) -> None:
        """Write what is left to write, and let others have the session."""
        self._writer.close()
        if self._lock is not None:
            with contextlib.suppress(OSError):
                self._lock_path.unlink()
            os.close(self._lock)
            self._lock = None

    # -- which one ------------------------------------------------------------------------------

    def _last(self) -> str:
        """Return the last session of this target in this folder; an empty one only if none else."""
        empty = None
        for path, record in self._readable():
            is_here = record.folder == self.folder
            if is_here and is_same_target(record.target, self.target, self.folder):
                if record.point.messages or record.unanswered:
                    return path.stem
                empty = empty or path.stem
        if empty is None:
            raise CommandError(
                f"there is no session of {self.target!r} in this folder to go on with; "
                "begin one without -c"
            )
        return empty

    def _readable(self) -> Iterator[tuple[Path, Record]]:
        for path in self._newest_first():
            with contextlib.suppress(CommandError):  # those that are damaged, or newer
                yield path, read(path)

    def _newest_first(self) -> list[Path]:
        found: list[tuple[float, Path]] = []
        for path in self._directory.glob("*.json"):
            with contextlib.suppress(OSError):
                found.append((path.stat().st_mtime, path))
        return [path for _, path in sorted(found, reverse=True)]

    def _those_there_are(self) -> str:
        names = [path.stem for path, record in self._readable() if record.target == self.target]
        if not names:
            return f"there are none of {self.target!r} yet"
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return f"those of {self.target!r} are {', '.join(names[:_SHOWN])}{more}"

    # -- one chat a session ---------------------------------------------------------------------

    @property
    def _lock_path(self) -> Path:
        return self._directory / f".{self.name}.lock"

    def _take_lock(self) -> None:
        if sys.platform == "win32":
            return
        import fcntl

        with contextlib.suppress(OSError):  # an unwritable directory is said when it is written to
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            try:
                fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError:
                return
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(fd, 20).decode(errors="replace").strip()
                os.close(fd)
                raise CommandError(self._in_use(holder)) from None
            except OSError:  # of a file system without locks
                os.close(fd)
                return
            if _is_still(fd, self._lock_path):
                break
            os.close(fd)  # another chat has just ended, and has removed it
        self._lock = fd
        with contextlib.suppress(OSError):  # the disk is full; the lock holds all the same
            os.ftruncate(fd, 0)
            os.write(fd, f"{os.getpid()}\n".encode())

    def _in_use(self, holder: str) -> str:
        by = f" (process {holder})" if holder else ""
        return (
            f"the session {self.name!r} is open in another chat{by}; "
            "end that one, or begin a new one without -c and -r"
        )


def read(path: Path) -> Record:
    """Read a session's file, or one that `/save` has made.

    Raises:
        CommandError: It cannot be read, or is none; the file is left as it is.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise CommandError(f"cannot read {str(path)!r}: it is no regular file")  # may never end
        return Record.from_text(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # also of a name with a NUL in it
        why = getattr(error, "strerror", None) or "it is no text"
        raise CommandError(f"cannot read {str(path)!r}: {why}") from error
    except Damaged as error:
        raise CommandError(f"cannot use {str(path)!r}: {error}; it is left as it is") from error


def _is_still(fd: int, path: Path) -> bool:
    try:
        there = path.stat()
    except OSError:
        return False
    mine = os.fstat(fd)
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def _new_name() -> str:
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"

"""Conversations in files: those that `/save` has made, and those of earlier versions."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from supervisor._cli.chat.conversation.record import Damaged, Record
from supervisor._cli.errors import CommandError


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


def replace(path: Path, text: str) -> None:
    """Replace a file by a new one, whole; only its user can read it.

    Raises:
        OSError: It cannot be written; what was there is there still.
    """
    fd, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(made).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(made).unlink()
        raise

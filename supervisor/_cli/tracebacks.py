"""Tracebacks as Python shows them: without the frames of the code that runs the program."""

from __future__ import annotations

import importlib
import itertools
from pathlib import Path
from types import TracebackType
from typing import Final, cast

_PACKAGE: Final = Path(__file__).parents[1]
_OURS: Final = f"{_PACKAGE}/"
_TESTING: Final = f"{_PACKAGE}/testing/"  # which programs use by themselves
_IMPORTLIB: Final = ("<frozen importlib", f"{Path(importlib.__file__).parent}/")


def hide_our_frames(error: BaseException) -> None:
    """Take our frames out of an exception's traceback, and out of those that it leads to."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) not in seen:
            seen.add(id(each))
            each.__traceback__ = _without_ours(each.__traceback__)
            waiting.extend(_behind(each))


def _behind(error: BaseException) -> list[BaseException]:
    """Return the exceptions that are shown together with one."""
    found = [each for each in (error.__cause__, error.__context__) if each is not None]
    if isinstance(error, BaseExceptionGroup):
        found += cast("BaseExceptionGroup[BaseException]", error).exceptions
    return found


def _without_ours(traceback: TracebackType | None) -> TracebackType | None:
    entries: list[TracebackType] = []
    while traceback is not None:
        entries.append(traceback)
        traceback = traceback.tb_next
    kept: list[TracebackType] = []
    # Python drops the frames of an import as long as they are in one piece: ours have split it.
    for is_hidden, piece in itertools.groupby(entries, lambda it: _is_ours(it) or _imports(it)):
        part = list(piece)
        if not is_hidden or not any(map(_is_ours, part)):
            kept += part
    for entry, following in itertools.zip_longest(kept, kept[1:]):
        entry.tb_next = following
    return kept[0] if kept else None


def _is_ours(entry: TracebackType) -> bool:
    file = entry.tb_frame.f_code.co_filename
    return file.startswith(_OURS) and not file.startswith(_TESTING)


def _imports(entry: TracebackType) -> bool:
    return entry.tb_frame.f_code.co_filename.startswith(_IMPORTLIB)

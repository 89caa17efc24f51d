"""Tracebacks without our frames."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import supervisor
from supervisor._cli.tracebacks import hide_our_frames

_OURS: Final = str(Path(supervisor.__file__).parent / "_core" / "between.py")
_TESTING: Final = str(Path(supervisor.__file__).parent / "testing" / "between.py")
_IMPORT: Final = "<frozen importlib._bootstrap>"


def _between(file: str) -> Callable[[Callable[[], object]], Callable[[], object]]:
    """Return what calls a function from a frame of this file."""
    names: dict[str, Any] = {}
    source = "def between(call):\n    return lambda: call()\n"
    exec(compile(source, file, "exec"), names)
    between: Callable[[Callable[[], object]], Callable[[], object]] = names["between"]
    return between


def _fail() -> None:
    raise LookupError("in vain")


def _files(error: BaseException) -> list[str]:
    return [Path(frame.filename).name for frame in traceback.extract_tb(error.__traceback__)]


def _raised(call: Callable[[], object]) -> BaseException:
    try:
        call()
    except BaseException as error:  # noqa: BLE001
        return error
    raise AssertionError("raised nothing")


def test_our_frames_are_taken_out_wherever_they_stand() -> None:
    """At the beginning, and between those of the program; the others stay in order."""
    ours = _between(_OURS)
    error = _raised(ours(_between(__file__)(ours(ours(_fail)))))
    assert _files(error).count("between.py") == 3
    hide_our_frames(error)
    assert _files(error) == [Path(__file__).name] * 3


def test_those_of_the_testing_tools_stay() -> None:
    """A program uses them by itself."""
    error = _raised(_between(_TESTING)(_fail))
    hide_our_frames(error)
    assert _files(error)[1:] == ["between.py", Path(__file__).name]


def test_an_import_that_ours_have_split_is_left_out_whole() -> None:
    """Python leaves out its frames too, as long as they are in one piece."""
    imports, ours = _between(_IMPORT), _between(_OURS)
    error = _raised(imports(ours(imports(_fail))))
    hide_our_frames(error)
    assert _files(error) == [Path(__file__).name] * 2
    alone = _raised(imports(_fail))
    hide_our_frames(alone)
    assert _IMPORT in _files(alone)


def test_causes_contexts_and_groups_are_looked_at() -> None:
    """Each exception that is shown with one, also in a ring."""
    ours = _between(_OURS)
    cause, context, part = (_raised(ours(_fail)) for _ in range(3))
    assert isinstance(part, Exception)
    group = ExceptionGroup("several", [part])
    group.__cause__, group.__context__ = cause, context
    context.__context__ = group
    hide_our_frames(group)
    assert [_files(each).count("between.py") for each in (cause, context, part)] == [0, 0, 0]


def test_one_of_ours_alone_has_no_traceback() -> None:
    """As a syntax error, which is found before the program's first line."""
    error = _raised(_between(_OURS)(lambda: 1 // 0))
    assert error.__traceback__ is not None
    error.__traceback__ = error.__traceback__.tb_next
    hide_our_frames(error)
    assert "between.py" not in _files(error)

"""What an agent has raised, read out of the exception that its team raises instead.

A team fails with a `RuntimeError` whose text is one of AutoGen's `SerializableException`: the name
of the class, the message and the whole traceback. A team inside a team wraps it once more.

Nothing of AutoGen is imported here: a target that cannot be loaded is told of in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_MARK: Final = "\nTraceback:\n"
_WRAPPER: Final = f"{RuntimeError.__name__}: "


@dataclass(frozen=True)
class OriginalError:
    """The exception with which it began.

    Args:
        type: The name of the exception's class.
        message: What it says.
        traceback: Its traceback, where the exception at hand has another one; else "".
    """

    type: str
    message: str
    traceback: str = ""


def original_error(error: BaseException) -> OriginalError:
    """Return what an exception is about: of a team's, what its agent has raised."""
    text = _text(error)
    head, *tracebacks = text.split(_MARK)
    if type(error) is not RuntimeError or not tracebacks:
        return OriginalError(type(error).__name__, text)
    wrapped = len(tracebacks)  # by n teams: 2 ** n - 1, for each traceback ends with the text
    while wrapped > 1:
        head, wrapped = head.removeprefix(_WRAPPER), wrapped // 2
    name, _, message = head.partition(": ")
    # AutoGen joins lines that have a newline already by newlines.
    return OriginalError(name, message, tracebacks[0].replace("\n\n", "\n"))


def line_of(error: BaseException) -> str:
    """Return what an exception is about, in one line."""
    original = original_error(error)
    text = " ".join(original.message.split())
    return f"{original.type}: {text}" if text else original.type


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - of a class of the program's
        return "<exception str() failed>"  # as in Python's tracebacks

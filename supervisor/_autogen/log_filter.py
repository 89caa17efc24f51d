"""Keep AutoGen's log records about handlers that we cancelled off the user's terminal.

For each of these handlers the runtime logs an error with a traceback, although the stop went well.
The filter runs where the record is made, so it sees which run the handler belongs to. Records of
other runs pass, and so do records of other errors.
"""

from __future__ import annotations

import logging
from typing import Final

from supervisor._autogen.upstream import HANDLER_ERROR
from supervisor._core.tasks import SCOPE
from supervisor._signals.interrupt import Interrupted

logger: Final = logging.getLogger("autogen_core")


class CancelledHandlers(logging.Filter):
    """Drops AutoGen's records about handlers that a stop has cancelled or interrupted.

    Args:
        prefix: How the message of such a record begins.
    """

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False for the record of a handler that a stop has cancelled or interrupted."""
        scope = SCOPE.get()
        if scope is None:
            return True
        error = record.exc_info[1] if record.exc_info else None
        is_ours = scope.is_stopping or scope.is_interrupted() or isinstance(error, Interrupted)
        return not (is_ours and str(record.msg).startswith(self._prefix))


_filter: Final = CancelledHandlers(HANDLER_ERROR)
_uses: Final[list[CancelledHandlers]] = []  # the one filter, once for each active run


def install() -> None:
    """Install the filter, unless another run has; each record passes it once."""
    _uses.append(_filter)
    logger.addFilter(_filter)


def remove() -> None:
    """Remove the filter, unless another run still needs it."""
    _uses.pop()
    if not _uses:
        logger.removeFilter(_filter)
    if _uses:  # a run on another thread's loop has started meanwhile
        logger.addFilter(_filter)


def leave_errors_to_caller() -> None:
    """Drop AutoGen's records about handlers that raised, from now on: the caller tells of them.

    Whoever has configured logging gets them all the same.
    """
    logger.addFilter(_is_not_handler_error)


def _is_not_handler_error(record: logging.LogRecord) -> bool:
    return logger.hasHandlers() or not str(record.msg).startswith(HANDLER_ERROR)

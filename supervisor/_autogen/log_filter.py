"""Keeps AutoGen's log records about handlers that we cancelled off the user's terminal.

For each of them the runtime logs an error with a traceback: for a stop that went well. The filter
runs where the record is made, so it sees whose handler that was: records of other runs, and of
other errors, pass.
"""

from __future__ import annotations

import logging
from typing import Final

from supervisor._autogen.upstream import HANDLER_ERROR
from supervisor._core.tasks import SCOPE
from supervisor._signals.interrupt import Interrupted

_logger = logging.getLogger("autogen_core")


class _Hush(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Drop what a cancelled handler of a stopped run has to say."""
        scope = SCOPE.get()
        if scope is None:
            return True
        error = record.exc_info[1] if record.exc_info else None
        is_ours = scope.is_hushed or scope.is_interrupted() or isinstance(error, Interrupted)
        return not (is_ours and str(record.msg).startswith(HANDLER_ERROR))


_hush: Final = _Hush()
_filters: Final[list[_Hush]] = []  # the same one, once for each run at work


def hold() -> None:
    """Put the filter on, if this is the first run that needs it: each record passes it once."""
    _filters.append(_hush)
    _logger.addFilter(_hush)


def release() -> None:
    """Take it off again, if no run needs it any more."""
    _filters.pop()
    if not _filters:
        _logger.removeFilter(_hush)
    if _filters:  # a run of another thread's loop has come meanwhile
        _logger.addFilter(_hush)

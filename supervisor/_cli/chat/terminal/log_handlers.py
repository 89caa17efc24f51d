"""Log handlers that were made before the editor was shown: they hold the streams from before."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Generator, Iterator
from typing import Any


@contextlib.contextmanager
def log_handlers_follow(stdout: object, stderr: object) -> Generator[None]:
    """Have handlers that write to these streams write to the present `sys.stdout` and `sys.stderr`.

    Args:
        stdout: What `sys.stdout` was.
        stderr: What `sys.stderr` was.
    """
    instead = {id(stdout): sys.stdout, id(stderr): sys.stderr}
    moved = [(it, it.stream) for it in _stream_handlers() if id(it.stream) in instead]
    for handler, stream in moved:
        handler.setStream(instead[id(stream)])
    try:
        yield
    finally:
        for handler, stream in moved:
            if handler.stream is instead[id(stream)]:  # else another has set it since
                handler.setStream(stream)


def _stream_handlers() -> Iterator[logging.StreamHandler[Any]]:
    known = list(logging.Logger.manager.loggerDict.values())
    loggers = [logging.getLogger(), *(it for it in known if isinstance(it, logging.Logger))]
    for logger in loggers:
        for handler in logger.handlers:
            if isinstance(handler, logging.StreamHandler):
                yield handler

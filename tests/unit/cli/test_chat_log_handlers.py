"""Log handlers write where the streams lead at present, and then again where they led before."""

from __future__ import annotations

import contextlib
import io
import logging
import sys

from supervisor._cli.chat.terminal.log_handlers import log_handlers_follow


def test_a_handler_follows_its_stream_and_comes_back() -> None:
    """A handler on the old stderr writes to the new one; one on another stream stays there."""
    logger, other = logging.getLogger("tests.follow"), io.StringIO()
    plain, elsewhere = logging.StreamHandler(), logging.StreamHandler(other)
    logger.handlers = [plain, elsewhere]
    found = (sys.stdout, sys.stderr)
    try:
        with contextlib.redirect_stderr(io.StringIO()) as above, log_handlers_follow(*found):
            logger.warning("while it is shown")
        assert above.getvalue() == other.getvalue() == "while it is shown\n"
        assert (plain.stream, elsewhere.stream) == (found[1], other)
    finally:
        logger.handlers = []


def test_a_handler_whose_stream_was_set_meanwhile_keeps_that() -> None:
    """Only what is still ours is put back."""
    logger, theirs = logging.getLogger("tests.kept"), io.StringIO()
    handler = logging.StreamHandler()
    logger.handlers = [handler]
    try:
        with contextlib.redirect_stderr(io.StringIO()), log_handlers_follow(None, handler.stream):
            handler.setStream(theirs)
        assert handler.stream is theirs
    finally:
        logger.handlers = []

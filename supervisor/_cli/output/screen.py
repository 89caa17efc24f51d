"""Writes to stdout in a thread of its own, and keeps a status line below the text at a terminal.

A terminal that was stopped by Ctrl-S, or a slow pipe, holds up this thread and nobody else. The
status is drawn in it too: it counts on while the event loop is blocked.

Where stdout is no terminal, whole lines are written, and nothing but the text.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

from supervisor._cli.output.painter import Painter, Piece

_TICK: Final = 0.1  # seconds after which the status may have changed
_MUCH: Final = 1 << 20  # characters that wait to be written
_MANY: Final = 1000  # pieces that are written at once
_SHORT: Final = 0.2  # seconds that a lock may take

_ASCII: Final = str.maketrans({"⚙": "*", "→": ">", "·": "-", "│": "|", "…": "~"})


class Screen:
    """Where a transcript is written to.

    Args:
        fd: The file descriptor.
        painter: Knows where the text ends at a terminal; None: no terminal, so only whole lines
            are written.
        status: Returns the status, in the thread that writes; "" for none.
        encoding: That of the text.
        on_error: Called in the thread that writes, when nothing more can be written.
    """

    def __init__(
        self,
        fd: int,
        painter: Painter | None = None,
        status: Callable[[], str] = str,
        *,
        encoding: str = "utf-8",
        on_error: Callable[[OSError], object] | None = None,
    ) -> None:
        self._fd = fd
        self._painter = painter
        self._status = status
        self._encoding = encoding
        self._jobs: SimpleQueue[Piece | threading.Event | None] = SimpleQueue()
        # Lines that have not ended: ours, somebody else's.
        self._halves: dict[bool, list[str]] = {True: [], False: []}
        self._put = self._written = 0  # characters of ours
        self._lock = threading.Lock()  # held while something is written
        self._is_lost = False
        self._on_error = on_error
        self._is_closing = False
        self._closed = threading.Event()  # set by the thread, with the last that it does
        self._thread = threading.Thread(target=self._work, name="supervisor-screen", daemon=True)
        self._thread.start()

    @property
    def is_full(self) -> bool:
        """Whether very much waits to be written."""
        return self._put - self._written > _MUCH

    def write(self, text: str) -> None:
        """Write text of the transcript; in one thread."""
        if text:
            self._put += len(text)
            self._jobs.put(Piece(text, is_ours=True))

    def write_foreign(self, text: str) -> None:
        """Write what somebody else prints; in any thread, and in a signal handler."""
        if text:
            self._jobs.put(Piece(text, is_ours=False))

    def refresh(self) -> None:
        """Look at the status now."""
        self._jobs.put(Piece("", is_ours=True))

    def end_status(self) -> None:
        """Draw no status any more; what was put before is written first."""
        self._jobs.put(None)

    def flush(self, seconds: float | None) -> bool:
        """Wait until everything is written.

        Args:
            seconds: How long to wait at most; None: for ever.

        Returns:
            Whether it is.
        """
        done = threading.Event()
        self._jobs.put(done)
        return done.wait(seconds)

    def close(self, seconds: float | None) -> bool:
        """Write the rest, and end the thread: what is put later is not written.

        It may be called again, to go on waiting.

        Args:
            seconds: How long to wait at most; None: for ever.

        Returns:
            Whether everything is written.
        """
        if not self._is_closing:
            self._is_closing = True
            self.end_status()
            self._jobs.put(self._closed)
        if not self._closed.wait(seconds):
            return False
        self._thread.join()
        return True

    def step_aside(self) -> str:
        """Return what to write before lines that are written past this screen; in any thread."""
        if self._painter is None or not self._lock.acquire(timeout=_SHORT):
            return ""
        try:
            return self._painter.step_aside()
        finally:
            self._lock.release()

    # -- in the thread ----------------------------------------------------------------------------

    def _work(self) -> None:
        done: threading.Event | None = None
        while done is not self._closed:
            pieces, done = self._next()
            self._write(pieces)
            if done is not None:
                self._send("".join(map(self._rest_of_line, self._halves)))
                done.set()

    def _next(self) -> tuple[list[Piece], threading.Event | None]:
        """Wait for something to do; take all that is there, up to somebody who waits for it."""
        pieces: list[Piece] = []
        wait = _TICK if self._painter is not None else None
        with contextlib.suppress(Empty):
            while len(pieces) < _MANY:
                job = self._jobs.get(timeout=wait)
                wait = 0.0
                if isinstance(job, threading.Event):
                    return pieces, job
                if job is None:
                    self._status = str
                else:
                    pieces.append(job)
        return pieces, None

    def _write(self, pieces: list[Piece]) -> None:
        with self._lock:
            if self._painter is not None:
                self._send(self._painter.paint(pieces, self._status_now()))
            else:
                self._send("".join(map(self._whole_lines, pieces)))
        self._written += sum(len(piece.text) for piece in pieces if piece.is_ours)

    def _status_now(self) -> str:
        """Return the status; none in the background, for there a shell's line is last."""
        with contextlib.suppress(OSError):  # not our terminal
            if sys.platform != "win32" and os.tcgetpgrp(self._fd) != os.getpgrp():
                return ""
        try:
            return self._status()
        except Exception as error:  # noqa: BLE001 - what it tells of changes meanwhile
            return type(error).__name__

    def _whole_lines(self, piece: Piece) -> str:
        lines, newline, half = piece.text.rpartition("\n")
        before = self._rest_of_line(piece.is_ours) if newline else ""
        self._halves[piece.is_ours].append(half)
        return before + lines + newline

    def _rest_of_line(self, is_ours: bool) -> str:  # noqa: FBT001 - of the transcript, or not
        half = "".join(self._halves[is_ours])
        self._halves[is_ours].clear()
        return half

    def _send(self, text: str) -> None:
        if text and not self._is_lost:
            self._write_all(self._encoded(text))

    def _encoded(self, text: str) -> bytes:
        try:
            return text.encode(self._encoding)
        except UnicodeEncodeError:
            return text.translate(_ASCII).encode(self._encoding, errors="replace")

    def _write_all(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:  # somebody has made it non-blocking
                select.select([], [self._fd], [])
            except OSError as error:  # closed, or nobody reads it any more
                self._is_lost = True
                if self._on_error is not None:
                    self._on_error(error)
                return

"""Reads a line of stdin in the event loop, where a stop can cancel the wait.

AutoGen's `UserProxyAgent` calls `input()` in a thread unless told otherwise. That cannot be
cancelled: the thread waits on, holds the process's exit, and eats the next line typed. Here the
loop watches the file, and nothing is left behind when the wait ends.

Not chosen: O_NONBLOCK on stdin, which belongs to the terminal and so affects every process that has
it open, the shell included; `loop.connect_read_pipe`, which sets that flag and reads ahead;
`sys.stdin` itself, whose buffers take a block where one line was wanted. So a terminal or a pipe is
reopened for each line, by /dev/fd: flags set there affect nobody else, the loop's own reader of
fd 0 (if there is one) stays, and if another reader is faster our read does not block. A file that
cannot be reopened (a socket, somebody else's terminal) is duplicated, and polled before each byte.

From a pipe no byte is taken that follows the line: the next line is there for `input()`, or for a
child process. A terminal gives one line at a time by itself. If the wait is cancelled in the middle
of a line, what was read of it begins the next call's line.

Where it falls short: what `input()` or `sys.stdin` has read ahead from a pipe is not seen, so use
one or the other. There is no editing beyond the terminal's own. On Windows, in a notebook, and
where `sys.stdin` is no file, a thread calls `input()` as before.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import errno
import os
import select
import stat
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from types import MethodType
from typing import Any, Final, Protocol, TextIO, TypeVar, runtime_checkable
from weakref import WeakKeyDictionary

T = TypeVar("T")

_AT_ONCE: Final = 512  # reads in one step of the loop: of a pipe, bytes
_BLOCK: Final = 4096  # what a terminal holds of a line at most

_NO_LINE: Final = "the input was ended (Ctrl-D) and no line was typed; catch EOFError to go on"
_NOBODY: Final = "stdin has ended and nobody can answer; run it where somebody can type"

_Turns = deque[asyncio.Future[None]]

_buffers: WeakKeyDictionary[TextIO, bytearray] = WeakKeyDictionary()
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, _Turns] = WeakKeyDictionary()


class TokenLike(Protocol):
    """The part of AutoGen's `CancellationToken` that `read_input` needs."""

    def link_future(self, future: asyncio.Future[Any], /) -> asyncio.Future[Any]:
        """Cancel a future when the token is cancelled."""
        ...


@runtime_checkable
class _RunToken(TokenLike, Protocol):
    """The token of a supervised run."""

    def fail(self, error: BaseException, /) -> bool:
        """Let the run fail with this error; return False if there is no run."""
        ...


async def read_input(prompt: str = "", cancellation_token: TokenLike | None = None) -> str:
    """Ask for a line on stdin, as `input()` does, without a thread; it can be cancelled.

    Made for `UserProxyAgent(input_func=read_input)`. Calls at the same time are served one after
    the other, and each shows its prompt when its turn comes.

    Args:
        prompt: A text to write to stdout first.
        cancellation_token: Ends the wait when it is cancelled, as a cancellation of the task does.

    Returns:
        The line, without its end.

    Raises:
        EOFError: Stdin has ended (Ctrl-D), or the terminal is gone. In a supervised run, awaiting
            the run raises this, because an agent cannot go on without its input.
        asyncio.CancelledError: The wait was cancelled; no line was taken.

    Example:
        ```python
        user = UserProxyAgent("user", input_func=read_input)
        ```
    """
    try:
        return await _ask(prompt, cancellation_token)
    except EOFError as error:
        if isinstance(cancellation_token, _RunToken) and cancellation_token.fail(error):
            await cancellation_token.link_future(asyncio.get_running_loop().create_future())
        raise


async def _ask(prompt: str, cancellation_token: TokenLike | None) -> str:
    stdin = sys.stdin
    if not _is_readable_in_loop(stdin):
        call = asyncio.ensure_future(asyncio.to_thread(input, prompt))
        return await _linked(call, cancellation_token)
    async with _turn(cancellation_token):
        _show(prompt)
        buffer = _buffers.setdefault(stdin, bytearray())
        with _reopened(stdin.fileno()) as fd:
            await _until_line(fd, buffer, cancellation_token)
        return _take(buffer, stdin)


def _is_readable_in_loop(stdin: TextIO) -> bool:
    # A notebook puts a method of its kernel there, and has nobody at its stdin.
    if sys.platform == "win32" or isinstance(builtins.input, MethodType):
        return False
    try:
        os.fstat(stdin.fileno())
    except (AttributeError, OSError, ValueError):  # none, closed, or not a file
        return False
    return True


def _linked(future: asyncio.Future[T], token: TokenLike | None) -> asyncio.Future[T]:
    if token is not None:
        token.link_future(future)
    return future


@contextlib.asynccontextmanager
async def _turn(token: TokenLike | None) -> AsyncGenerator[None]:
    """Wait until all earlier calls have their line."""
    loop = asyncio.get_running_loop()
    turns = _turns.setdefault(loop, deque())
    mine: asyncio.Future[None] = loop.create_future()
    turns.append(mine)
    _call_next(turns)
    try:
        await _linked(mine, token)
        yield
    finally:
        turns.remove(mine)
        _call_next(turns)


def _call_next(turns: _Turns) -> None:
    if turns and not turns[0].done():
        turns[0].set_result(None)


def _show(prompt: str) -> None:
    if sys.stdout is not None:
        sys.stdout.write(prompt)
        sys.stdout.flush()


@contextlib.contextmanager
def _reopened(fd: int) -> Generator[int]:
    """Open the same file under a number of our own, without blocking where that is possible."""
    mode = os.fstat(fd).st_mode
    own = -1
    if sys.platform != "win32" and (stat.S_ISFIFO(mode) or os.isatty(fd)):
        with contextlib.suppress(OSError):
            own = os.open(f"/dev/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    if own < 0:
        own = os.dup(fd)
    try:
        yield own
    finally:
        os.close(own)


async def _until_line(fd: int, buffer: bytearray, token: TokenLike | None) -> None:
    """Wait until the buffer has a line, or the file has ended."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[None] = loop.create_future()
    _linked(found, token)

    def poll() -> None:
        # The task takes the line off the buffer, if it is not cancelled meanwhile.
        if found.done():
            return
        try:
            is_over = b"\n" in buffer or _read_some(fd, buffer)
        except OSError as error:
            found.set_exception(error)
        else:
            if is_over:
                found.set_result(None)

    with _reader(loop, fd, poll) as is_watched:
        poll()
        while not (is_watched or found.done()):
            poll()
        await found


@contextlib.contextmanager
def _reader(loop: asyncio.AbstractEventLoop, fd: int, poll: Callable[[], None]) -> Generator[bool]:
    """Have the loop call `poll`; yield false for a file that no loop watches: always ready."""
    try:
        loop.add_reader(fd, poll)
    except PermissionError:
        yield False
        return
    try:
        yield True
    finally:
        loop.remove_reader(fd)


def _read_some(fd: int, buffer: bytearray) -> bool:
    """Read what is there of the line; return whether the line, or the file, has ended."""
    if sys.platform == "win32":
        return False
    size = _BLOCK if os.isatty(fd) else 1
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    for _ in range(_AT_ONCE):
        if not poller.poll(0):
            return False
        data = _read(fd, size)
        if data is None:
            return False
        buffer += data
        if not data or b"\n" in data:
            return True
    return False


def _read(fd: int, size: int) -> bytes | None:
    """Return what is there; nothing at the end of the file, None if another reader was faster."""
    try:
        return os.read(fd, size)
    except BlockingIOError:
        return None
    except OSError as error:
        if error.errno == errno.EIO:  # the terminal has gone
            return b""
        raise


def _take(buffer: bytearray, stdin: TextIO) -> str:
    """Take the line off the buffer; at the end of the file, what there is of it."""
    if not buffer:
        raise EOFError(_NO_LINE if stdin.isatty() else _NOBODY)
    line, _, rest = bytes(buffer).partition(b"\n")
    buffer[:] = rest
    return line.removesuffix(b"\r").decode(stdin.encoding, stdin.errors or "strict")

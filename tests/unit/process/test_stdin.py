"""`read_input` on pipes, terminals, sockets, plain files: nothing that was typed is ever lost."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import io
import os
import pty
import socket
import struct
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from autogen_core import CancellationToken

from supervisor import read_input
from supervisor._process.stdin import _buffers, _read
from tests.unit.autogen.checks import at_step

Cancel = Callable[["asyncio.Task[str]", CancellationToken], object]

CANCELS: dict[str, Cancel] = {
    "task": lambda task, token: task.cancel(),
    "token": lambda task, token: token.cancel(),
}
by_task_and_token = pytest.mark.parametrize("how", list(CANCELS))


class Keyboard:
    """The far end of a stdin."""

    def __init__(self, near: int, far: int) -> None:
        self.near, self._far = near, far

    def type(self, text: str | bytes) -> None:
        """Write."""
        os.write(self._far, text.encode() if isinstance(text, str) else text)

    def hang_up(self) -> None:
        """Close the far end."""
        os.close(self._far)
        self._far = -1

    async def until_read(self) -> None:
        """Wait until nothing that was typed is unread."""
        while self._unread():  # noqa: ASYNC110 - the kernel sets no event
            await asyncio.sleep(0)

    def _unread(self) -> int:
        count: int = struct.unpack("i", fcntl.ioctl(self.near, termios.FIONREAD, bytes(4)))[0]
        return count

    def flags(self) -> int:
        """Return the flags of the near end's open file."""
        return fcntl.fcntl(self.near, fcntl.F_GETFL)

    def close(self) -> None:
        """Close what is open."""
        if self._far >= 0:
            self.hang_up()


def _ends(kind: str) -> tuple[int, int]:
    if kind == "pty":
        far, near = pty.openpty()
        return near, far
    if kind == "socket":
        one, other = socket.socketpair()
        return one.detach(), other.detach()
    return os.pipe()


@pytest.fixture(params=["pipe", "pty", "socket"])
def keyboard(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyboard]:
    """Stand at the other end of stdin, of each kind."""
    yield from _keyboard(str(request.param), monkeypatch)


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyboard]:
    """Stand at the other end of a pipe that is stdin."""
    yield from _keyboard("pipe", monkeypatch)


def _keyboard(kind: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyboard]:
    near, far = _ends(kind)
    made = Keyboard(near, far)
    with open(near, encoding="utf-8") as stdin:  # noqa: PTH123 - it has a number, and no name
        monkeypatch.setattr(sys, "stdin", stdin)
        yield made
        made.close()


# What cannot be opened anew (a socket) is read with its own flags, once it is known to be ready.
pytestmark = pytest.mark.blocks


async def test_it_gives_a_line_at_a_time(keyboard: Keyboard) -> None:
    """Lines that came together are given one by one."""
    keyboard.type("first\nsecond\n")
    assert await read_input() == "first"
    assert await read_input() == "second"


async def test_it_waits_until_the_line_is_whole(keyboard: Keyboard) -> None:
    """The loop goes on until the line is whole."""
    task = asyncio.create_task(read_input())
    at_step(5, lambda: keyboard.type("fir"))
    at_step(9, lambda: keyboard.type("st\n"))
    assert await task == "first"


async def test_it_shows_its_prompt(pipe: Keyboard, capsys: pytest.CaptureFixture[str]) -> None:
    """The prompt is on stdout before anything is typed."""
    task = asyncio.create_task(read_input("Name: "))
    await asyncio.sleep(0)
    assert capsys.readouterr().out == "Name: "
    pipe.type("Ann\n")
    assert await task == "Ann"


async def test_what_follows_the_line_stays_in_a_pipe(pipe: Keyboard) -> None:
    """The next line stays in the pipe for `input()`, or for a child process."""
    pipe.type("mine\nyours\n")
    assert await read_input() == "mine"
    assert os.read(pipe.near, 100) == b"yours\n"


@by_task_and_token
async def test_a_wait_cancelled_in_mid_line(keyboard: Keyboard, how: str) -> None:
    """After a cancellation the part of a line that was typed begins the next line."""
    task, token = _reading()
    await asyncio.sleep(0)
    keyboard.type("hel")
    await keyboard.until_read()  # a terminal keeps it for itself until the line ends
    CANCELS[how](task, token)
    with pytest.raises(asyncio.CancelledError):
        await task
    keyboard.type("lo\n")
    assert await read_input() == "hello"


@by_task_and_token
@pytest.mark.parametrize("step", range(8))
async def test_a_wait_cancelled_as_the_line_comes(keyboard: Keyboard, how: str, step: int) -> None:
    """Wherever a cancellation hits, the line is given now or by the next call."""
    task, token = _reading()
    keyboard.type("first\nsecond\n")
    at_step(step, lambda: CANCELS[how](task, token))
    (given,) = await asyncio.gather(task, return_exceptions=True)
    lines = [] if isinstance(given, asyncio.CancelledError) else [given]
    while len(lines) < 2:
        lines.append(await read_input())
    assert lines == ["first", "second"]


async def test_a_token_that_was_cancelled_before(pipe: Keyboard) -> None:
    """With a token that was cancelled before no line is taken, though one is there."""
    token = CancellationToken()
    token.cancel()
    pipe.type("line\n")
    with pytest.raises(asyncio.CancelledError):
        await read_input("", token)
    assert await read_input() == "line"


async def test_calls_at_the_same_time_take_turns(
    keyboard: Keyboard, capsys: pytest.CaptureFixture[str]
) -> None:
    """Calls get their lines in order; one that is cancelled while waiting gets none."""
    tasks = [asyncio.create_task(read_input(f"{number}? ")) for number in range(4)]
    await asyncio.sleep(0)
    assert capsys.readouterr().out == "0? "
    tasks[1].cancel()
    keyboard.type("a\nb\nc\n")
    given = await asyncio.gather(*tasks, return_exceptions=True)
    assert [given[0], *given[2:]] == ["a", "b", "c"]
    assert isinstance(given[1], asyncio.CancelledError)
    assert capsys.readouterr().out == "2? 3? "


@by_task_and_token
async def test_it_leaves_everything_as_found(keyboard: Keyboard, how: str) -> None:
    """The flags, the open files, and the loop's own reader of stdin are as before."""
    loop = asyncio.get_running_loop()
    is_ready = asyncio.Event()
    loop.add_reader(keyboard.near, is_ready.set)
    files, flags = _open_files(), keyboard.flags()
    task, token = _reading()
    await asyncio.sleep(0)
    assert keyboard.flags() == flags
    CANCELS[how](task, token)
    await asyncio.wait([task])
    assert (_open_files(), keyboard.flags()) == (files, flags)
    keyboard.type("line\n")
    await is_ready.wait()
    loop.remove_reader(keyboard.near)


def test_a_read_that_finds_nothing_does_not_wait(pipe: Keyboard) -> None:
    """A read does not wait if another reader was faster."""
    own = os.open(f"/dev/fd/{pipe.near}", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert _read(own, 1) is None
    finally:
        os.close(own)


async def test_a_character_may_come_in_pieces(keyboard: Keyboard) -> None:
    """A line is decoded as a whole, so a character may come in pieces."""
    task = asyncio.create_task(read_input())
    await asyncio.sleep(0)
    keyboard.type(b"gr\xc3")
    at_step(4, lambda: keyboard.type(b"\xbc\xc3\x9fe\n"))
    assert await task == "grüße"


async def test_bytes_that_are_no_text(pipe: Keyboard) -> None:
    """Bytes that are no text raise, as in `input()`, and the next line is read all the same."""
    pipe.type(b"\xff\nnext\n")
    with pytest.raises(UnicodeDecodeError):
        await read_input()
    assert await read_input() == "next"


async def test_a_long_line(pipe: Keyboard) -> None:
    """A long line is read over many steps of the loop, which goes on meanwhile."""
    line = "x" * 20_000
    task = asyncio.create_task(read_input())
    await asyncio.sleep(0)
    pipe.type(f"{line}\n")
    steps = 0
    while not task.done():
        steps += 1
        await asyncio.sleep(0)
    assert await task == line
    assert steps > 20


async def test_the_end_of_a_pipe(pipe: Keyboard) -> None:
    """A last line without an end is a line; then there is EOFError, again and again."""
    pipe.type("last")
    pipe.hang_up()
    assert await read_input() == "last"
    for _ in range(2):
        with pytest.raises(EOFError, match="stdin has ended"):
            await read_input()


@pytest.mark.parametrize("key", [b"\x04", None], ids=["ctrl-d", "hang-up"])
async def test_the_end_of_a_terminal(monkeypatch: pytest.MonkeyPatch, key: bytes | None) -> None:
    """Ctrl-D, or a terminal that is gone, is the end of the file."""
    for keyboard in _keyboard("pty", monkeypatch):
        task = asyncio.create_task(read_input())
        await asyncio.sleep(0)
        keyboard.type(key) if key else keyboard.hang_up()
        with pytest.raises(EOFError):
            await task


async def test_a_plain_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A plain file, which no loop watches, is read line by line, with its own offset."""
    path = tmp_path / "answers"
    path.write_bytes(b"one\r\ntwo\nthree")
    with path.open(encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert await read_input() == "one"
        assert os.lseek(stdin.fileno(), 0, os.SEEK_CUR) == 5
        assert [await read_input(), await read_input()] == ["two", "three"]
        with pytest.raises(EOFError):
            await read_input()


async def test_dev_null_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """With stdin from /dev/null there is an EOFError at once."""
    near = os.open(os.devnull, os.O_RDONLY)
    with open(near, encoding="utf-8") as stdin:  # noqa: ASYNC230, PTH123 - as stdin is opened
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(EOFError):
            await read_input()


async def test_a_stdin_that_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stdin that is no file a thread calls `input()`."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("typed\n"))
    assert await read_input() == "typed"
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_a_notebook(monkeypatch: pytest.MonkeyPatch, pipe: Keyboard) -> None:
    """In a notebook its own `input` is called, in a thread."""

    class Kernel:
        def raw_input(self, prompt: str) -> str:
            return f"{prompt}from the notebook"

    monkeypatch.setattr("builtins.input", Kernel().raw_input)
    assert await read_input("? ") == "? from the notebook"
    await asyncio.get_running_loop().shutdown_default_executor()


def test_one_stdin_for_two_loops(
    pipe: Keyboard, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """The part of a line that one loop has read begins the next line of another loop."""

    async def first() -> None:
        task = asyncio.create_task(read_input())
        await asyncio.sleep(0)
        pipe.type("hel")
        await pipe.until_read()
        assert _buffers[sys.stdin] == b"hel"
        # The loop ends, which cancels it.
        assert not task.done()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(first())
    pipe.type("lo\n")
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(read_input()) == "hello"


def _reading() -> tuple[asyncio.Task[str], CancellationToken]:
    token = CancellationToken()
    return asyncio.create_task(read_input("", token)), token


def _open_files() -> set[str]:
    return {path.name for path in Path("/dev/fd").iterdir()}


async def test_without_a_stdout_no_prompt_is_shown(
    pipe: Keyboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program without a stdout reads its line all the same."""
    monkeypatch.setattr(sys, "stdout", None)
    pipe.type(b"typed\n")
    assert await read_input("? ") == "typed"


async def test_what_cannot_be_read_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in the place of stdin has no lines."""
    near = os.open("/", os.O_RDONLY)

    class Folder:
        """A stdin that is a folder: `open` would refuse it."""

        encoding, errors = "utf-8", None

        def fileno(self) -> int:
            return near

    monkeypatch.setattr(sys, "stdin", Folder())
    with pytest.raises(IsADirectoryError):
        await read_input()
    os.close(near)


async def test_a_terminal_that_hangs_up_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel's error for a terminal that has gone is the end of the file."""

    def hung_up(fd: int, size: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    for keyboard in _keyboard("pty", monkeypatch):
        keyboard.type(b"typed\n")
        with monkeypatch.context() as patched:
            patched.setattr(os, "read", hung_up)
            with pytest.raises(EOFError):
                await read_input()


async def test_a_line_that_another_reader_has_taken_is_waited_for(
    pipe: Keyboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes may read one pipe: who comes second waits for the next line."""
    read, tries = os.read, list[int]()

    def taken_once(fd: int, size: int) -> bytes:
        tries.append(fd)
        if len(tries) == 1:
            raise BlockingIOError
        return read(fd, size)

    pipe.type(b"typed\n")
    with monkeypatch.context() as patched:
        patched.setattr(os, "read", taken_once)
        assert await read_input() == "typed"


async def test_a_long_line_of_a_plain_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A line is read to its end, however long it is."""
    path = tmp_path / "answers"
    path.write_bytes(b"x" * 100_000 + b"\n")
    with path.open(encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert len(await read_input()) == 100_000

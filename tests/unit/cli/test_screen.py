"""The thread that writes: it delays nobody, loses nothing, and keeps what others print in order."""

from __future__ import annotations

import io
import os
import select
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from supervisor._cli.output.painter import Painter
from supervisor._cli.output.printed import printed_by
from supervisor._cli.output.screen import Screen

LIMIT = 20.0


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Return the two ends of a pipe."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


@pytest.fixture
def screens(pipe: tuple[int, int]) -> Iterator[Callable[..., Screen]]:
    """Return what makes screens that write into the pipe; they are closed at the end."""
    made = list[Screen]()

    def make(*args: Any, **more: Any) -> Screen:
        made.append(Screen(pipe[1], *args, **more))
        return made[-1]

    yield make
    for screen in made:
        assert screen.close(LIMIT)


def written(reader: int) -> str:
    """Return what is in the pipe."""
    return os.read(reader, 1 << 20).decode()


def test_a_pipe_gets_whole_lines(pipe: tuple[int, int], screens: Callable[..., Screen]) -> None:
    """Half a line of the transcript waits for its end; a tool's line is not put into it."""
    reader, _ = pipe
    screen = screens()
    screen.write("To be ")
    screen.write_foreign("tool: 1\ntool: ")
    screen.write_foreign("")
    screen.write("or not\nthat is ")
    screen.write_foreign("2\n")
    screen.write("the question")
    assert screen.flush(LIMIT)
    assert written(reader) == "tool: 1\nTo be or not\ntool: 2\nthat is the question"


def test_who_writes_waits_for_no_reader(
    pipe: tuple[int, int], screens: Callable[..., Screen]
) -> None:
    """Nobody reads the pipe: writing returns, flushing ends in time, and nothing is lost."""
    reader, _ = pipe
    screen = screens()
    line = "x" * 999 + "\n"
    for _ in range(1500):
        screen.write(line)
    assert not screen.flush(0.05)
    assert screen.is_full
    found = ""
    while len(found) < 1500 * len(line):
        found += written(reader)
    assert screen.flush(LIMIT)
    assert found == line * 1500
    assert not screen.is_full


def test_a_reader_that_went_away_is_told_of_once(
    pipe: tuple[int, int], screens: Callable[..., Screen]
) -> None:
    """What is written afterwards is dropped, and keeps nobody waiting."""
    reader, _ = pipe
    lost: list[OSError] = []
    screen = screens(on_error=lost.append)
    os.close(reader)
    screen.write("one\n")
    screen.write("two\n")
    assert screen.flush(LIMIT)
    screen.write("three\n")
    assert screen.flush(LIMIT)
    assert [type(error) for error in lost] == [BrokenPipeError]


def test_what_the_encoding_lacks_is_replaced(
    pipe: tuple[int, int], screens: Callable[..., Screen]
) -> None:
    """In ASCII our own signs have others in their place."""
    reader, _ = pipe
    screen = screens(encoding="ascii")
    screen.write("⚙ search() · é\n")
    assert screen.flush(LIMIT)
    assert written(reader) == "* search() - ?\n"


def test_the_status_counts_on_by_itself(
    pipe: tuple[int, int], screens: Callable[..., Screen]
) -> None:
    """The thread asks for the status again and again, whatever the loop does."""
    reader, _ = pipe
    asked = threading.Semaphore(0)

    def status() -> str:
        asked.release()
        return "ann"

    screen = screens(Painter(lambda: (20, 6)), status)
    assert all(asked.acquire(timeout=LIMIT) for _ in range(3))
    screen.end_status()
    assert screen.flush(LIMIT)
    assert written(reader).endswith("ann\x1b8\x1b[J")


def test_a_status_that_raises_is_no_end_of_the_thread(
    pipe: tuple[int, int], screens: Callable[..., Screen]
) -> None:
    """What it tells of may change in another thread at any time."""
    reader, _ = pipe

    def status() -> str:
        raise RuntimeError

    screen = screens(Painter(lambda: (20, 6)), status)
    screen.write("text\n")
    assert screen.flush(LIMIT)
    assert "text\n" in written(reader)


def test_others_begin_a_line(pipe: tuple[int, int], screens: Callable[..., Screen]) -> None:
    """Who writes past the screen is told what to write first: no status, no open line."""
    reader, _ = pipe
    screen = screens(Painter(lambda: (20, 6)), lambda: "ann")
    screen.write("half")
    assert screen.flush(LIMIT)
    assert screen.step_aside() == "\x1b[J\n"
    assert screens().step_aside() == ""
    assert written(reader).startswith("half")


def test_a_stream_has_its_text_written_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """print() goes there, in whatever thread; afterwards the stream is as before."""
    stream, said = io.StringIO(), list[str]()
    monkeypatch.setattr(sys, "stdout", stream)
    with printed_by(said.append, "stdout", "stderr"):
        print("one", end="")
        thread = threading.Thread(target=print, args=("two",))
        thread.start()
        thread.join()
        sys.stdout.writelines(["three\n"])
        sys.stdout.write("")
        assert list(sys.stdout) == []
        assert sys.stdout.readable()
        with pytest.raises(TypeError, match="must be str"):
            sys.stdout.write(b"bytes")  # type: ignore[arg-type]
    assert sys.stdout is stream
    assert "".join(said) == "onetwo\nthree\n"
    assert stream.getvalue() == ""


def test_a_stream_that_another_has_replaced_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is still ours is put back; a stream that is missing stays missing."""
    other = io.StringIO()
    monkeypatch.setattr(sys, "stderr", None)
    with printed_by(list[str]().append, "stdout", "stderr"):
        monkeypatch.setattr(sys, "stdout", other)
    assert sys.stdout is other
    assert sys.stderr is None


def test_a_forked_child_prints_by_itself(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that writes is the parent's, so the child has its stream back."""
    reader, writer = pipe
    said = list[str]()
    with open(writer, "w", closefd=False) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with printed_by(said.append, "stdout"):
            pid = os.fork()
            if pid == 0:
                print("child", flush=True)
                os._exit(0)
            os.waitpid(pid, 0)
    assert written(reader) == "child\n"
    assert not said


def test_a_pipe_that_was_made_non_blocking_is_waited_for(
    pipe: tuple[int, int], screens: Callable[..., Screen], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that has set the flag on the file that both share loses no output."""
    reader, writer = pipe
    is_full, wait = threading.Event(), select.select

    def wait_noted(*words: Any) -> object:
        is_full.set()
        return wait(*words)

    monkeypatch.setattr(select, "select", wait_noted)
    os.set_blocking(writer, False)
    screen, line = screens(), "x" * 999 + "\n"
    for _ in range(300):
        screen.write(line)
    assert is_full.wait(LIMIT)
    found = written(reader)
    while len(found) < 300 * len(line):
        found += written(reader)
    assert found == line * 300


def test_nobody_has_to_hear_of_a_lost_reader(
    pipe: tuple[int, int], screens: Callable[..., Screen]
) -> None:
    """Where nobody asked to be told, what cannot be written is dropped, and that is all."""
    os.close(pipe[0])
    screen = screens()
    screen.write("one\n")
    assert screen.flush(LIMIT)


def test_a_great_many_pieces_are_written_in_portions(
    pipe: tuple[int, int], screens: Callable[..., Screen]
) -> None:
    """So a reader sees the first of them before the last was printed."""
    reader, _ = pipe
    asked, go_on = threading.Event(), threading.Event()

    def status() -> str:
        asked.set()
        go_on.wait(LIMIT)
        return ""

    screen = screens(Painter(lambda: (20, 6)), status)
    assert asked.wait(LIMIT)
    for _ in range(2500):
        screen.write("x")
    go_on.set()
    assert screen.flush(LIMIT)
    assert written(reader) == "x" * 2500


def test_closing_may_be_waited_for_again(
    pipe: tuple[int, int], screens: Callable[..., Screen]
) -> None:
    """A reader that takes the rest after the first wait was over ends the second one."""
    reader, _ = pipe
    screen, text = screens(), "x" * 300_000 + "\n"
    screen.write(text)
    assert not screen.close(0.01)
    assert not screen.close(0.01)
    found = written(reader)
    while len(found) < len(text):
        found += written(reader)
    assert screen.close(LIMIT)


def test_a_job_in_the_background_draws_no_status(
    pipe: tuple[int, int], screens: Callable[..., Screen], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another job has the terminal, so its lines and the shell's are left alone."""
    reader, _ = pipe

    def elsewhere(_: int) -> int:
        return os.getpgrp() + 1

    monkeypatch.setattr(os, "tcgetpgrp", elsewhere)
    screen = screens(Painter(lambda: (20, 6)), lambda: "ann")
    screen.write("text\n")
    assert screen.flush(LIMIT)
    assert written(reader) == "text\n"

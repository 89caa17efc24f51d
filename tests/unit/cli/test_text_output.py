"""What `run` writes for a person, from its beginning to its end."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from autogen_agentchat.messages import (
    ModelClientStreamingChunkEvent,
    TextMessage,
    ThoughtEvent,
)

from supervisor import Supervisor
from supervisor._cli.output import look
from supervisor._cli.output.look import Look
from supervisor._cli.output.outcome import TargetFailure
from supervisor._cli.output.screen import Screen
from supervisor._cli.output.text import TextOutput
from supervisor._reports.log import reporter
from supervisor._reports.outcome import Outcome

LIMIT = 20.0
XTERM = {"TERM": "xterm-256color"}
TASK = TextMessage(source="user", content="Write")
EVENTS: list[Any] = [
    TASK,
    ModelClientStreamingChunkEvent(source="ann", content="Hel"),
    ModelClientStreamingChunkEvent(source="ann", content="lo"),
    TextMessage(source="ann", content="Hello"),
    ThoughtEvent(source="ann", content="hm"),
]
FINISHED = Outcome(status="finished", messages=3, seconds=1.0)


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Return the two ends of a pseudo-terminal."""
    ends = os.openpty()
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Return the two ends of a pipe."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def shown(output: TextOutput, reader: int, outcome: Outcome = FINISHED) -> str:
    """Return what is written of a run."""
    output.begin("team", "Write")
    for event in EVENTS:
        output.event(event)
    assert not output.is_full
    output.end(outcome)
    return os.read(reader, 1 << 16).decode().replace("\r\n", "\n")


def test_a_run_in_a_pipe(pipe: tuple[int, int]) -> None:
    """Headings, messages, and how it has ended."""
    reader, writer = pipe
    said = shown(TextOutput(look=Look({}, writer)), reader)
    assert said == "user\nWrite\n\nann\nHello\n│ hm\n\nFinished; 3 messages and events, 1.0 s\n"


def test_quiet_shows_the_last_message_alone(pipe: tuple[int, int]) -> None:
    """No heading, no result, no thought: the answer, for a shell's `$(...)`."""
    reader, writer = pipe
    assert shown(TextOutput(look=Look({}, writer), is_quiet=True), reader) == "Hello\n"


def test_quiet_does_not_repeat_the_task(pipe: tuple[int, int]) -> None:
    """Where nobody has answered, there is nothing to show."""
    reader, writer = pipe
    output = TextOutput(look=Look({}, writer), is_quiet=True)
    output.begin("team", "Write")
    output.event(TASK)
    output.end(FINISHED)
    os.write(writer, b"end")
    assert os.read(reader, 100) == b"end"


def test_without_rich_it_says_so_once_and_goes_on(
    terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the extra there are plain lines at a terminal, and one line that names it."""
    reader, writer = terminal
    monkeypatch.setattr(look, "has_rich", lambda: False)
    said = shown(TextOutput(look=Look(XTERM, writer)), reader)
    assert said == "user\nWrite\n\nann\nHello\n│ hm\n\nFinished; 3 messages and events, 1.0 s\n"
    told = capsys.readouterr().err
    assert told.count("pip install 'autogen-supervisor[cli]'") == 1
    assert told.count("\n") == 1


def test_it_gives_back_what_it_took(terminal: tuple[int, int]) -> None:
    """Python's streams and the reports' way to stderr are as before, when it has ended."""
    reader, writer = terminal
    found = (sys.stdout, sys.stderr, reporter.step_aside)
    output = TextOutput(look=Look(XTERM, writer))
    output.begin("team", "Write")
    assert sys.stdout is not found[0]
    print("printed")
    output.end(FINISHED)
    assert (sys.stdout, sys.stderr, reporter.step_aside) == found
    assert "printed\r\n" in os.read(reader, 1 << 16).decode()


def test_a_run_that_never_began_has_its_last_line(pipe: tuple[int, int]) -> None:
    """A target that stops before its first event is told of, too."""
    reader, writer = pipe
    output = TextOutput(look=Look({}, writer))
    output.end(Outcome(status="stopped", stop_reason="Stopped by SIGINT"))
    assert os.read(reader, 100).decode() == "Stopped by SIGINT; 0 messages kept, 0.0 s\n"


def test_a_target_that_cannot_be_made_has_no_result(pipe: tuple[int, int]) -> None:
    """The line on stderr has told of it; stdout has nothing."""
    reader, writer = pipe
    output = TextOutput(look=Look({}, writer))
    output.begin("team", "Write")
    failure = TargetFailure(message="no such team")
    output.end(Outcome(status="failed", messages=0, seconds=0.0, error=failure))
    os.write(writer, b"end")
    assert os.read(reader, 100) == b"end"


def test_a_slow_reader_of_a_run_that_was_not_stopped_is_waited_for(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it takes, it gets all; only a stop makes the end urgent."""
    reader, writer = pipe
    text, got = "x" * 300_000, list[bytes]()
    close = Screen.close

    def read() -> None:
        while sum(map(len, got)) < len(text):
            got.append(os.read(reader, 1 << 20))

    slow = threading.Thread(target=read)

    def close_and_read(screen: Screen, seconds: float | None) -> bool:
        is_closed = close(screen, 0.01 if slow.ident is None else LIMIT)
        if not is_closed and slow.ident is None:
            slow.start()
        return is_closed

    monkeypatch.setattr(Screen, "close", close_and_read)
    output = TextOutput(look=Look({}, writer))
    output.attach(Supervisor(signals={}))
    output.begin("team", "Write")
    output.event(TextMessage(source="ann", content=text))
    output.end(FINISHED)
    slow.join(LIMIT)
    assert b"".join(got).startswith(b"ann\nxxx")

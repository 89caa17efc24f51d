"""The bytes of a server-sent event."""

from __future__ import annotations

from typing import Any

import pytest

from supervisor.integrations.streams import StreamEvent, stopped_event, stopped_message
from tests.unit.integrations.sse_text import received


def test_an_event_has_its_fields_by_line() -> None:
    """The fields stand by line, and an empty line ends the event."""
    event = StreamEvent(event="chunk", data='{"a": 1}', id="7", retry=1500)
    assert event.encode() == b'event: chunk\ndata: {"a": 1}\nid: 7\nretry: 1500\n\n'


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_each_line_of_the_data_has_a_field(end: str) -> None:
    """Data of several lines stays one event, and its line ends become newlines."""
    event = StreamEvent(event="message", data=f"one{end}event: two{end}{end}three{end}")
    (found,) = received(event.encode())
    assert (found.event, found.data) == ("message", "one\nevent: two\n\nthree\n")


def test_other_separators_are_no_line_ends() -> None:
    """U+2028 and the like stay as they are."""
    (found,) = received(StreamEvent(event="message", data="a\u2028b\x85c\x0bd").encode())
    assert found.data == "a\u2028b\x85c\x0bd"


@pytest.mark.parametrize("event", ["a\nb", "a\r", "a\0"])
def test_a_name_has_one_line(event: str) -> None:
    """A name or an id with a newline would be taken for other fields, and is refused."""
    with pytest.raises(ValueError, match="without newlines"):
        StreamEvent(event=event, data="x").encode()
    with pytest.raises(ValueError, match="no id of"):
        StreamEvent(event="a", data="x", id=event).encode()


def test_a_stopped_event_of_your_own() -> None:
    """It has the reason, and when to connect again: for a browser in milliseconds."""
    body = stopped_event("The server restarts", retry_after=2.5)
    (found,) = received(body)
    assert b"\nretry: 2500\n" in body
    assert found.event == "stopped"
    assert found.data == stopped_message("The server restarts", retry_after=2.5)
    expected = {"type": "result", "status": "stopped", "stop_reason": "The server restarts"}
    assert found.facts.items() >= (expected | {"retry_after": 2.5, "signal": None}).items()


@pytest.mark.parametrize("helper", [stopped_event, stopped_message])
def test_what_is_no_stop_is_refused(helper: Any) -> None:
    """The error says what to give."""
    with pytest.raises(TypeError, match="3 is no stop; give a reason"):
        helper(3)


def test_which_event_is_the_last() -> None:
    """The one that tells how the run has ended."""
    assert StreamEvent(event="stopped", data="{}").is_last
    assert not StreamEvent(event="message", data="{}").is_last

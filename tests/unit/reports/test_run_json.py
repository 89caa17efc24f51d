"""The objects of `json` and `stream-json`."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import (
    HandoffMessage,
    ModelClientStreamingChunkEvent,
    StructuredMessage,
    TextMessage,
    ToolCallRequestEvent,
)
from autogen_core import FunctionCall
from autogen_core.models import RequestUsage
from pydantic import BaseModel

from supervisor._reports import run_json
from supervisor._reports.outcome import Failure, Outcome, Usage


def _refuse(constant: str) -> object:
    raise AssertionError(f"{constant} is no JSON")


def _read(facts: dict[str, object]) -> dict[str, Any]:
    line = run_json.line(facts)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    found: dict[str, Any] = json.loads(line.decode(), parse_constant=_refuse)
    return found


class Fields(BaseModel):
    """Fields with the names of ours."""

    type: str = "theirs"
    number: float = 0.0


def test_a_message_has_its_kind_source_content_and_usage() -> None:
    """What every message has comes under the same names, and its own fields follow."""
    usage = RequestUsage(prompt_tokens=3, completion_tokens=4)
    message = HandoffMessage(source="a", target="b", content="over", models_usage=usage)
    found = _read(run_json.event(message))
    assert list(found)[:6] == ["type", "schema_version", "kind", "source", "content", "usage"]
    assert (found["type"], found["kind"], found["target"]) == ("message", "HandoffMessage", "b")
    assert found["usage"] == {"prompt_tokens": 3, "completion_tokens": 4}


def test_tool_calls_are_objects() -> None:
    """The content of an event may be a list."""
    call = FunctionCall(id="1", name="dig", arguments="{}")
    found = _read(run_json.event(ToolCallRequestEvent(source="a", content=[call])))
    assert found["content"] == [{"id": "1", "name": "dig", "arguments": "{}"}]


def test_a_chunk_is_short() -> None:
    """A chunk has its source and content, and the message that it belongs to."""
    chunk = ModelClientStreamingChunkEvent(source="a", content="x", full_message_id="7")
    expected = {"type": "chunk", "source": "a", "content": "x", "message_id": "7"}
    assert _read(run_json.event(chunk)) == {"schema_version": 1, **expected}


@pytest.mark.parametrize("text", ["\ud800", "a\udcff", "line\nbreak \x00 \u2028"])
def test_any_text_is_utf8(text: str) -> None:
    """A lone surrogate becomes U+FFFD, and all else stays."""
    found = _read(run_json.event(TextMessage(source="a", content=text)))
    expected = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    assert found["content"] == expected


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_have_is_null(number: float) -> None:
    """NaN and infinity become null, and a field named `type` is no trouble."""
    message = StructuredMessage[Fields](source="a", content=Fields(number=number))
    assert _read(run_json.event(message))["content"] == {"type": "theirs", "number": None}
    assert _read({"list": [number, 1.5]}) == {"list": [None, 1.5]}


def test_what_cannot_be_dumped_is_text() -> None:
    """A message that raises as it is dumped is shown by its text."""

    class Broken(TextMessage):
        def model_dump(self, **_: Any) -> dict[str, Any]:
            raise TypeError("no")

    found = _read(run_json.event(Broken(source="a", content="all the same")))
    assert (found["source"], found["content"]) == ("a", "all the same")


def test_a_message_whose_text_raises_too_says_so() -> None:
    """Whatever a class of the user's raises, there is an object that names the class."""

    class Mute(TextMessage):
        def model_dump(self, **_: Any) -> dict[str, Any]:
            raise TypeError("no")

        def to_text(self) -> str:
            raise LookupError("nor this")

    found = _read(run_json.event(Mute(source="a", content="lost")))
    assert found["content"] == "(Mute has no text: its to_text() raised LookupError)"


@pytest.mark.parametrize("item", [None, 3, "word", [1, 2]])
def test_an_item_of_an_iterator_is_its_content(item: object) -> None:
    """What is no object of a framework's has no source."""
    found = _read(run_json.event(item))
    assert (found["type"], found["source"], found["content"]) == ("message", None, item)


def test_a_result_alone_has_its_usage_and_no_status() -> None:
    """A `TaskResult` does not tell whether its run was stopped."""
    usage = RequestUsage(prompt_tokens=3, completion_tokens=4)
    messages = [TextMessage(source="a", content=word, models_usage=usage) for word in "xy"]
    found = _read(run_json.event(TaskResult(messages=messages, stop_reason="enough")))
    assert (found["type"], found["status"], found["messages"]) == ("result", None, 2)
    assert found["stop_reason"] == "enough"
    assert found["usage"] == {"prompt_tokens": 6, "completion_tokens": 8}


def test_any_object_is_written() -> None:
    """What is no JSON is written by its `repr`."""
    assert _read({"found": [b"x", {1, 2}, {3: object}]}) == {
        "found": ["b'x'", "{1, 2}", {"3": "<class 'object'>"}]
    }


def test_a_result_has_every_field() -> None:
    """A result has the same fields however the run has ended."""
    bare = run_json.result(Outcome(status="finished"))
    failure = Failure(type="ValueError", message="no")
    full = run_json.result(
        Outcome(status="failed", seconds=1.23456, error=failure, usage=Usage(prompt_tokens=1))
    )
    assert list(bare) == list(full)
    assert (full["seconds"], full["error"]) == (1.235, {"type": "ValueError", "message": "no"})
    assert full["usage"] == {"prompt_tokens": 1, "completion_tokens": 0}

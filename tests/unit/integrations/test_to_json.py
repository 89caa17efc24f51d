"""AutoGen's messages and events as JSON, each class of them, and users' own."""

from __future__ import annotations

import base64
import io
import json
import math
from typing import Any, Literal

import autogen_agentchat.messages
import pytest
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    CodeExecutionEvent,
    CodeGenerationEvent,
    HandoffMessage,
    MemoryQueryEvent,
    ModelClientStreamingChunkEvent,
    MultiModalMessage,
    SelectSpeakerEvent,
    StopMessage,
    StructuredMessage,
    TextMessage,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
    ToolCallSummaryMessage,
    UserInputRequestedEvent,
)
from autogen_core import FunctionCall, Image
from autogen_core.code_executor import CodeBlock, CodeResult
from autogen_core.memory import MemoryContent, MemoryMimeType
from autogen_core.models import FunctionExecutionResult
from PIL import Image as PILImage
from pydantic import BaseModel

from supervisor.integrations.streams import to_json


class Answer(BaseModel):
    """The content of a structured message."""

    number: float


CALL = FunctionCall(id="1", name="dig", arguments='{"depth": 2}')
ANSWER = FunctionExecutionResult(content="a hole", name="dig", call_id="1", is_error=False)
PICTURE = Image(PILImage.new("RGB", (2, 3), "red"))

EVENTS: tuple[BaseAgentEvent | BaseChatMessage, ...] = (
    CodeExecutionEvent(source="a", retry_attempt=0, result=CodeResult(exit_code=0, output="1\n")),
    CodeGenerationEvent(
        source="a", retry_attempt=0, content="x", code_blocks=[CodeBlock(code="1", language="py")]
    ),
    HandoffMessage(source="a", target="b", content="over"),
    MemoryQueryEvent(
        source="a", content=[MemoryContent(content="old", mime_type=MemoryMimeType.TEXT)]
    ),
    ModelClientStreamingChunkEvent(source="a", content="x"),
    MultiModalMessage(source="a", content=["look", PICTURE]),
    SelectSpeakerEvent(source="a", content=["b"]),
    StopMessage(source="a", content="x"),
    StructuredMessage[Answer](source="a", content=Answer(number=1)),
    TextMessage(source="a", content="x"),
    ThoughtEvent(source="a", content="x"),
    ToolCallExecutionEvent(source="a", content=[ANSWER]),
    ToolCallRequestEvent(source="a", content=[CALL]),
    ToolCallSummaryMessage(source="a", content="x", tool_calls=[CALL], results=[ANSWER]),
    UserInputRequestedEvent(source="a", request_id="1"),
)


def _read(event: object) -> dict[str, Any]:
    text = to_json(event)
    assert len(text.splitlines()) == 1  # at all that Python takes for the end of a line
    text.encode()  # no lone surrogate
    found: dict[str, Any] = json.loads(text, parse_constant=_refuse)
    return found


def _refuse(constant: str) -> object:
    raise AssertionError(f"{constant} is no JSON")


def _concrete() -> set[str]:
    module = autogen_agentchat.messages
    found = {name: getattr(module, name) for name in module.__all__}
    bases = (BaseAgentEvent, BaseChatMessage)
    return {
        name
        for name, cls in found.items()
        if isinstance(cls, type) and issubclass(cls, bases) and not name.startswith("Base")
    }


def test_there_is_an_example_of_each_class_of_autogen() -> None:
    """The examples below have every message and event that AutoGen exports."""
    assert {type(event).__name__.partition("[")[0] for event in EVENTS} == _concrete()


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_each_event_of_autogen_can_be_read(event: BaseAgentEvent | BaseChatMessage) -> None:
    """Each is an object that names its type, its schema and its source."""
    found = _read(event)
    assert (found["schema_version"], found["source"]) == (1, "a")
    if isinstance(event, ModelClientStreamingChunkEvent):
        assert (found["type"], found["content"]) == ("chunk", "x")
    else:
        assert (found["type"], found["kind"]) == ("message", event.model_dump()["type"])
        assert found["id"] == event.id


def test_an_image_is_a_png_file() -> None:
    """An image is base64 of a PNG file, and the texts around it stay."""
    found = _read(MultiModalMessage(source="a", content=["look", PICTURE, "and see"]))
    first, picture, last = found["content"]
    assert (first, last) == ("look", "and see")
    opened = PILImage.open(io.BytesIO(base64.b64decode(picture["data"])))
    assert (opened.format, opened.size) == ("PNG", (2, 3))


def test_tool_events_keep_their_calls() -> None:
    """A call has its arguments as the model wrote them, and a result names its call."""
    asked = _read(ToolCallRequestEvent(source="a", content=[CALL]))
    assert asked["content"] == [{"id": "1", "name": "dig", "arguments": '{"depth": 2}'}]
    answered = _read(ToolCallExecutionEvent(source="a", content=[ANSWER]))
    assert answered["content"][0]["call_id"] == "1"


class Priced(TextMessage):
    """A message of a user's class, with a field of its own."""

    type: Literal["Priced"] = "Priced"  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]
    price: float


class Piece(ModelClientStreamingChunkEvent):
    """A chunk of a user's class."""


class Undumpable(TextMessage):
    """A message that cannot be dumped."""

    def model_dump(self, **_: Any) -> dict[str, Any]:
        """Raise."""
        raise TypeError("no")


def test_messages_of_users_classes_keep_their_fields() -> None:
    """A field of a user's class follows those that every message has; NaN is null."""
    found = _read(Priced(source="a", content="x", price=math.nan))
    assert (found["kind"], found["price"], found["content"]) == ("Priced", None, "x")
    assert _read(Piece(source="a", content="x"))["type"] == "chunk"
    assert _read(Undumpable(source="a", content="all the same"))["content"] == "all the same"


@pytest.mark.parametrize("text", ["\ud800", "a\udcff", "\r\n\x00\u2028\u2029\x85 \U0001f600"])
def test_any_text_is_one_line_of_utf8(text: str) -> None:
    """A lone surrogate becomes U+FFFD; line ends are escaped, and all else stays."""
    expected = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    assert _read(TextMessage(source="a", content=text))["content"] == expected
    assert _read(ModelClientStreamingChunkEvent(source="a", content=text))["content"] == expected


def test_metadata_and_bytes_that_are_no_json_are_written_all_the_same() -> None:
    """Bytes that are no UTF-8 leave the message readable by its text."""
    event = MemoryQueryEvent(
        source="a", content=[MemoryContent(content=b"\xff\xfe", mime_type=MemoryMimeType.BINARY)]
    )
    assert _read(event)["kind"]


@pytest.mark.parametrize("data", ["x", 1, None, [1, "x"], {"a": 1}])
def test_data_is_written_as_it_is(data: object) -> None:
    """What an iterator yields may be plain data."""
    found = _read(data)
    assert (found["type"], found["kind"]) == ("message", type(data).__name__)
    assert found["content"] == data


def test_an_object_of_another_framework_has_its_own_fields() -> None:
    """A class with `to_dict()` is written by that, and any other by its text."""

    class Update:
        def to_dict(self) -> dict[str, object]:
            return {"type": "update", "author": "a"}

    assert _read(Update()).items() >= {"kind": "update", "author": "a"}.items()
    assert "object object" in _read(object())["content"]


def test_a_result_alone_does_not_tell_how_its_run_has_ended() -> None:
    """A `TaskResult` has its reason and the number of its messages; only a run has a status."""
    found = _read(TaskResult(messages=[TextMessage(source="a", content="x")], stop_reason="Enough"))
    assert (found["type"], found["stop_reason"], found["messages"]) == ("result", "Enough", 1)
    assert found["status"] is None

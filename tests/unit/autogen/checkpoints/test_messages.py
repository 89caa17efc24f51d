"""Messages as data, and back: nothing is lost, and nothing but a message is made of data."""

from __future__ import annotations

import base64
import datetime as dt
import json
import pickle
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

import pytest
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseTextChatMessage,
    CodeExecutionEvent,
    CodeGenerationEvent,
    HandoffMessage,
    MemoryQueryEvent,
    MessageFactory,
    ModelClientStreamingChunkEvent,
    MultiModalMessage,
    SelectorEvent,
    SelectSpeakerEvent,
    StopMessage,
    StructuredMessage,
    StructuredMessageFactory,
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
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    RequestUsage,
    SystemMessage,
    UserMessage,
)
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from pydantic import BaseModel

from supervisor._autogen.checkpoints.messages import (
    dump,
    known_types,
    parse,
)
from supervisor._checkpoints.pieces import decode, encode
from supervisor._core.errors import CheckpointCorrupt, UnknownMessage


class _Answer(BaseModel):
    number: int
    when: dt.datetime
    inner: list[dict[str, float]] = []


class _Note(BaseTextChatMessage):
    """A message of a user's, with a dump of its own."""

    type: Literal["_Note"] = "_Note"
    pages: int = 1

    def dump(self) -> Mapping[str, Any]:
        return {**super().dump(), "extra": "e"}

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> _Note:
        assert data["extra"] == "e"
        return cls.model_validate(data)


class _Tick(BaseAgentEvent):
    """An event of a user's, without a type."""

    count: int

    def to_text(self) -> str:
        return str(self.count)


_MADE = StructuredMessageFactory(
    json_schema={
        "type": "object",
        "title": "Made",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
    },
    content_model_name="Made",
    format_string="{a}!",
)
_TYPES = known_types([_Note, _Tick, StructuredMessage[_Answer], _MADE.StructuredMessage])
_CALL = FunctionCall(id="1", name="f", arguments='{"a": "\\ud800"}')
_RESULT = FunctionExecutionResult(content="r\x00", name="f", call_id="1", is_error=None)
_NOW = dt.datetime(2026, 11, 27, tzinfo=dt.UTC)
_USER = UserMessage(content="u", source="s")

_ITEMS: list[Any] = [
    TextMessage(
        content="a",
        source="s",
        metadata={"k": "v"},
        models_usage=RequestUsage(prompt_tokens=1, completion_tokens=2),
        created_at=_NOW,
    ),
    TextMessage(content="\ud800 alone, \udfff, \x00, é, 😀", source="\udcff"),
    TextMessage(content="x" * 10_000_000, source="s"),
    StopMessage(content="s", source="a"),
    HandoffMessage(
        content="h",
        source="a",
        target="b",
        context=[_USER, AssistantMessage(content=[_CALL], thought="t", source="a")],
    ),
    ToolCallSummaryMessage(content="c", source="a", tool_calls=[_CALL], results=[_RESULT]),
    StructuredMessage[_Answer](
        content=_Answer(number=1, when=_NOW, inner=[{"x": 0.1}]),
        source="a",
        format_string="{number}",
    ),
    _MADE.StructuredMessage(content=_MADE.ContentModel(a="b"), source="a"),
    ToolCallRequestEvent(content=[_CALL], source="a"),
    ToolCallExecutionEvent(content=[_RESULT], source="a"),
    CodeGenerationEvent(
        retry_attempt=0,
        content="c",
        code_blocks=[CodeBlock(code="1", language="python")],
        source="a",
    ),
    CodeExecutionEvent(retry_attempt=1, result=CodeResult(exit_code=0, output="o"), source="a"),
    UserInputRequestedEvent(request_id="1", source="a"),
    MemoryQueryEvent(
        content=[MemoryContent(content="m", mime_type=MemoryMimeType.TEXT)], source="a"
    ),
    ModelClientStreamingChunkEvent(content="c", source="a"),
    ThoughtEvent(content="t", source="a"),
    SelectSpeakerEvent(content=["a", "b"], source="m"),
    SelectorEvent(content="a", source="m"),
    _Note(content="n", source="a", pages=3),
    _Tick(count=3, source="a"),
    SystemMessage(content="s"),
    _USER,
    AssistantMessage(content="a", source="s"),
    AssistantMessage(content=[_CALL], thought="t", source="s"),
    FunctionExecutionResultMessage(content=[_RESULT]),
]


def _moved(data: Any) -> Any:
    return decode(encode(data))


@pytest.mark.parametrize("item", _ITEMS, ids=map(str, range(len(_ITEMS))))
def test_message_comes_back(item: Any) -> None:
    """A message of each type is equal to the one that it was, and of the same class."""
    found = parse(_moved(dump(item)), _TYPES)
    assert type(found) is type(item)
    assert found == item or isinstance(item, MemoryQueryEvent)  # whose enum is read as a text
    assert dump(found) == dump(item)


def test_each_type_of_autogen_is_known() -> None:
    """All types are known that AutoGen's own factory knows, and that of the selector's event."""
    assert known_types().keys() >= {*MessageFactory()._message_types, "SelectorEvent"}


def test_data_is_not_changed_with_the_message() -> None:
    """What is done to a message after it was dumped is not in its data."""
    request = AssistantMessage(content=[_CALL], source="s")
    results = FunctionExecutionResultMessage(content=[_RESULT])
    data = [dump(request), dump(results)]
    before = json.dumps(data)
    results.content.append(_RESULT)
    request.thought = "later"
    assert json.dumps(data) == before


def test_bytes_of_a_memory_come_back() -> None:
    """Bytes that are no text come back, which AutoGen's own dump would refuse."""
    content = MemoryContent(content=b"\xff\x00", mime_type=MemoryMimeType.BINARY)
    event = MemoryQueryEvent(content=[content], source="a")
    found = parse(_moved(dump(event)), _TYPES)
    assert found.content[0].content == b"\xff\x00"
    assert (found.id, found.created_at) == (event.id, event.created_at)


# -- pictures -------------------------------------------------------------------------------------


class _Counting(Image):
    """A picture that counts how often text is made of it."""

    count = 0

    def to_base64(self) -> str:
        self.count += 1
        return super().to_base64()


def _picture() -> _Counting:
    picture = Pillow.new("RGB", (40, 30), (9, 9, 9))
    picture.putpixel((3, 4), (1, 200, 3))
    return _Counting(picture)


def _pixels(part: Any) -> bytes:
    assert isinstance(part, Image)
    return part.image.tobytes()


def test_picture_comes_back() -> None:
    """A picture has the same pixels wherever it stands: in a message, a context, a handoff."""
    picture = _picture()
    user = UserMessage(content=["see", picture], source="u")
    shown = MultiModalMessage(content=["see", picture], source="u")
    handoff = HandoffMessage(content="", source="a", target="b", context=[user])
    for item in (user, shown, handoff):
        found = parse(_moved(dump(item)), _TYPES)
        message = found.context[0] if isinstance(found, HandoffMessage) else found
        assert message.content[0] == "see"
        assert _pixels(message.content[1]) == _pixels(picture)


def test_text_of_a_picture_is_made_once_and_late() -> None:
    """A picture is encoded when it is written, and once for all logs."""
    picture = _picture()
    data = [dump(MultiModalMessage(content=[picture], source="u")) for _ in range(3)]
    assert picture.count == 0
    encode(data)
    encode(data)
    assert picture.count == 1


# -- what is no message ---------------------------------------------------------------------------


def test_unknown_type_is_an_error_of_its_own() -> None:
    """A type that the team does not know is UnknownMessage, which names it."""
    data = _moved(dump(_Note(content="n", source="a")))
    with pytest.raises(UnknownMessage, match="'_Note'") as found:
        parse(data, known_types(), "r")
    assert (found.value.run_id, found.value.type_name) == ("r", "_Note")


@pytest.mark.parametrize(
    "name", ["antigravity.TextMessage", "this.s", "os.system", "builtins.eval"]
)
def test_nothing_is_imported_that_data_names(name: str) -> None:
    """A dotted path is an unknown type, and its module is not imported."""
    module = name.partition(".")[0]
    was_there = module in sys.modules
    data = {"$": name, "type": name, "provider": name, "content": "x", "source": "a"}
    with pytest.raises(UnknownMessage):
        parse(data, _TYPES)
    assert (module in sys.modules) == was_there


def test_nothing_is_unpickled() -> None:
    """A pickle is text like any other."""

    class Boom:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("unpickled",))

    text = base64.b64encode(pickle.dumps(Boom())).decode()
    found = parse({"$": "TextMessage", "content": text, "source": "a"}, _TYPES)
    assert found.content == text
    with pytest.raises(CheckpointCorrupt):
        parse({"$": "llm:UserMessage", "content": [{"data": text}], "source": "a"}, _TYPES)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_KINDS = [dump(item)["$"] for item in _ITEMS]
_FIELDS = ["content", "source", "context", "results", "created_at", "models_usage", "target"]


def _with_kind(kind: Any, fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "$": kind}


@given(
    data=_JSON
    | st.builds(
        _with_kind,
        st.sampled_from(_KINDS) | _JSON,
        st.dictionaries(st.sampled_from(_FIELDS), _JSON | st.just([{"data": "AAAA"}])),
    )
)
def test_other_data_is_corrupt(data: Any) -> None:
    """Data of any form is a message, or raises CheckpointCorrupt or UnknownMessage only."""
    with suppress(CheckpointCorrupt):
        parse(data, _TYPES)

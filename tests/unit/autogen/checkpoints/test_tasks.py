"""Tasks as data: when two are the same, as a user would say."""

from __future__ import annotations

import base64
from contextlib import suppress
from io import BytesIO
from typing import Any

import pytest
from autogen_agentchat.messages import (
    HandoffMessage,
    MultiModalMessage,
    TextMessage,
    ToolCallRequestEvent,
)
from autogen_core import Image
from autogen_core.models import UserMessage
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from supervisor._autogen.checkpoints.messages import dump, known_types
from supervisor._autogen.checkpoints.tasks import (
    dump_task,
    is_same_task,
    parse_task,
    task_difference,
)
from supervisor._checkpoints.pieces import decode, encode
from supervisor._core.errors import CheckpointCorrupt


def _text(content: str = "hi", source: str = "user", **fields: Any) -> TextMessage:
    return TextMessage(content=content, source=source, **fields)


def _picture(colour: int) -> Image:
    return Image(Pillow.new("RGB", (20, 10), (colour, 0, 0)))


def _seen(colour: int = 1) -> MultiModalMessage:
    return MultiModalMessage(content=["look", _picture(colour)], source="user")


def _handed(words: str = "c") -> HandoffMessage:
    context = [UserMessage(content=words, source="u")]
    return HandoffMessage(content="h", source="user", target="a", context=list(context))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("hi", "hi"),
        ("hi", _text()),
        (_text(), _text()),
        ([_text()], _text()),
        ([_text(), _text("b")], [_text(), _text("b")]),
        (_seen(), _seen()),
        (_handed(), _handed()),
        (None, None),
        ("\ud800\x00", _text("\ud800\x00")),
    ],
)
def test_same_words_are_the_same_task(one: Any, other: Any) -> None:
    """A text is the message that AutoGen makes of it; ids and times do not count."""
    kept, now = decode(encode(dump_task(one))), dump_task(other)
    assert is_same_task(kept, now)
    assert task_difference(kept, now) == ""


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ("hi", "ho", "it was 'hi', and is 'ho' now"),
        ("hi", _text(source="bob"), "its last message had the source 'user', and has 'bob' now"),
        ("hi", _text(metadata={"k": "v"}), "metadata"),
        ([_text(), _text("b")], [_text("b"), _text()], "2 messages, the last 'b'"),
        ([_text("a"), _text()], [_text("b"), _text()], "an earlier one of its messages is another"),
        (_seen(1), _seen(2), "content"),
        (_handed("c"), _handed("d"), "context"),
        ("hi", None, "is none now"),
        ("a" * 10_000, "b", "..."),
    ],
)
def test_other_words_are_another_task(one: Any, other: Any, words: str) -> None:
    """Other words, speakers, pictures or an order make another task, and a short line says so."""
    kept, now = dump_task(one), dump_task(other)
    assert not is_same_task(kept, now)
    assert words in task_difference(kept, now)
    assert len(task_difference(kept, now)) < 200


def test_picture_that_was_compressed_otherwise_is_the_same() -> None:
    """Pictures are compared by their pixels: another machine may compress them otherwise."""
    kept, now = dump_task(_seen()), dump_task(_seen())
    bitmap = Image(Pillow.new("RGB", (20, 10), (1, 0, 0)))
    kept[0]["content"][1]["data"] = _as_bitmap(bitmap)
    assert is_same_task(kept, now)


def test_picture_that_cannot_be_read_is_another() -> None:
    """What is no picture at all is compared by its text."""
    kept, now = dump_task(_seen()), dump_task(_seen())
    kept[0]["content"][1]["data"] = "no picture"
    assert not is_same_task(kept, now)


def _as_bitmap(image: Image) -> str:
    into = BytesIO()
    image.image.save(into, format="BMP")
    return base64.b64encode(into.getvalue()).decode()


@pytest.mark.parametrize("task", ["hi", _handed(), [_text(), _text("b")]])
def test_task_comes_back(task: Any) -> None:
    """A task comes back as its messages, for a worker that was given none."""
    found = parse_task(decode(encode(dump_task(task))), known_types())
    assert found is not None
    assert is_same_task(dump_task(found), dump_task(task))
    assert parse_task(None, known_types()) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("$"), inner),
    max_leaves=10,
)


@given(data=_JSON)
def test_other_data_is_corrupt(data: Any) -> None:
    """Data of any form is a task, raises CheckpointCorrupt, or is another task than any."""
    with suppress(CheckpointCorrupt):
        assert not parse_task(data, known_types())
    assert task_difference(data, dump_task("hi"))


def test_an_event_is_no_task() -> None:
    """A task consists of what is said, and not of what happens."""
    event = dump(ToolCallRequestEvent(content=[], source="a"))
    with pytest.raises(CheckpointCorrupt, match="its task has another form"):
        parse_task([event], known_types(), "r")

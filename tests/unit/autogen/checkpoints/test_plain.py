"""A manager's attributes as data, and back: what can be written comes back as it was."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import pytest
from autogen_agentchat.messages import TextMessage

from supervisor._autogen.checkpoints.messages import dump, known_types, parse
from supervisor._autogen.checkpoints.plain import as_plain, from_plain
from supervisor._checkpoints.pieces import decode, encode


def _parse(data: Any) -> Any:
    return parse(data, known_types())


@pytest.mark.parametrize(
    "value",
    [
        None,
        1.5,
        b"\xff\x00",
        [1, ["a"], ("b",)],
        {"a": {1, 2}, "b": frozenset("c")},
        {"$bytes": "no bytes"},
        {("a", 1): deque([1, 2])},
        Counter(a=2),
        [TextMessage(content="hello", source="a")],
    ],
)
def test_a_value_comes_back(value: Any) -> None:
    """Its type comes back, too."""
    data = decode(encode(as_plain({"it": value}, dump)))
    found = from_plain(data, _parse)["it"]
    assert found == value
    assert type(found) is type(value)


def test_what_cannot_be_written_is_left_out() -> None:
    """An object of the user's costs no other attribute."""
    assert as_plain({"lock": object(), "in a list": [object()], "n": 1}, dump) == {"n": 1}

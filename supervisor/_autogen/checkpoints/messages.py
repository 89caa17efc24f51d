"""AutoGen's messages as JSON-able data, and back: what is said, and what models are given.

A message says its type by name, and is read by a type that the team knows: AutoGen's own, those of
`custom_message_types`, and the structured ones that agents produce. Nothing else is made of data:
no module is imported that it names, and nothing is pickled.

A picture is encoded as it is written, in the thread that writes, and once: that takes a tenth
of a second, and a picture is in several logs.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

from autogen_agentchat import messages
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    HandoffMessage,
    MultiModalMessage,
)
from autogen_core import Image
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from pydantic_core import to_jsonable_python

from supervisor._autogen.messages import Item
from supervisor._checkpoints.pieces import Later
from supervisor._core.errors import CheckpointCorrupt, UnknownMessage

Types = Mapping[str, type[Item]]
"""The types of messages that a team knows, by their names."""

_TYPE: Final = "$"
_BYTES: Final = "$bytes"
_HAS_BYTES: Final = "$has_bytes"
_LLM: Final[Mapping[str, type[LLMMessage]]] = {
    f"llm:{cls.__name__}": cls
    for cls in (SystemMessage, UserMessage, AssistantMessage, FunctionExecutionResultMessage)
}

_texts: WeakKeyDictionary[Image, str] = WeakKeyDictionary()


def known_types(others: Iterable[type[Item]] = ()) -> dict[str, type[Item]]:
    """Return AutoGen's own types of messages and others, by their names."""
    found = [value for value in vars(messages).values() if _is_message(value)]
    return {cls.__name__: cls for cls in (*found, *others)}


def _is_message(value: object) -> bool:
    return (
        isinstance(value, type)
        and issubclass(value, (BaseAgentEvent, BaseChatMessage))
        and not getattr(value, "__abstractmethods__", None)
        and "type" in getattr(value, "model_fields", ())
    )


# -- to data --------------------------------------------------------------------------------------


def dump(item: Item | LLMMessage) -> dict[str, Any]:
    """Return a message as JSON-able data, which is its own: the message may be changed later."""
    if isinstance(item, (BaseAgentEvent, BaseChatMessage)):
        return {_TYPE: type(item).__name__, **_dump_item(item)}
    return {_TYPE: f"llm:{type(item).__name__}", **_dump_llm(item)}


def _dump_item(item: Item) -> Mapping[str, Any]:
    if type(item) is MultiModalMessage:
        data = item.model_dump(mode="json", exclude={"content"})
        return {**data, "content": [_dump_part(part) for part in item.content]}
    if type(item) is HandoffMessage and item.context:
        data = item.model_dump(mode="json", exclude={"context"})
        return {**data, "context": [_dump_llm(message) for message in item.context]}
    try:
        return item.dump()
    except UnicodeDecodeError:  # bytes that are no text, as in a memory's content
        return {_HAS_BYTES: True, **_plain(item.model_dump())}


def _plain(value: Any) -> Any:
    """Return what pydantic dumps for Python as JSON-able data, its bytes in base 64."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in cast("dict[str, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in cast("Sequence[object]", value)]
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode()}
    return to_jsonable_python(value)


def _with_bytes(value: Any) -> Any:
    """Undo `_plain`, as far as pydantic does not."""
    if isinstance(value, list):
        return [_with_bytes(part) for part in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    found = cast("dict[str, Any]", value)
    if found.keys() == {_BYTES}:
        return base64.b64decode(found[_BYTES])
    return {key: _with_bytes(part) for key, part in found.items()}


def _dump_llm(message: LLMMessage) -> Mapping[str, Any]:
    if type(message) is UserMessage and isinstance(message.content, list):
        data = message.model_dump(mode="json", exclude={"content"})
        return {**data, "content": [_dump_part(part) for part in message.content]}
    return message.model_dump(mode="json")


def _dump_part(part: str | Image) -> Any:
    return Later(lambda: _picture(part)) if isinstance(part, Image) else part


def _picture(image: Image) -> dict[str, str]:
    text = _texts.get(image)
    if text is None:
        text = _texts[image] = image.to_base64()
    return {"data": text}


# -- and back -------------------------------------------------------------------------------------


def parse(data: Any, types: Types, run_id: str = "") -> Any:
    """Return a message that was written so.

    Args:
        data: What `dump` has returned, and what JSON has made of it.
        types: The types that the team knows.
        run_id: The run; for the errors.

    Raises:
        UnknownMessage: Its type is none of these.
        CheckpointCorrupt: It is no message.
    """
    found = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    name = found.get(_TYPE)
    if not isinstance(name, str):
        raise CheckpointCorrupt(run_id, "something that is no message, among its messages")
    fields = {key: value for key, value in found.items() if key not in (_TYPE, _HAS_BYTES)}
    read = _reader(name, types)
    if read is None:
        raise UnknownMessage(run_id, name)
    try:
        return read(_with_bytes(fields) if _HAS_BYTES in found else fields)
    except Exception as error:  # pydantic's, and whatever a user's `load` or a picture raises
        why = str(error).partition("\n")[0]
        raise CheckpointCorrupt(run_id, f"a {name} cannot be read: {why}") from error


def _reader(name: str, types: Types) -> Callable[[dict[str, Any]], Any] | None:
    if name in _LLM:
        return _LLM[name].model_validate
    return types[name].load if name in types else None

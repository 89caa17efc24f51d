"""The task of a run as data: kept with the run, and compared with the one that is given next.

Two tasks are the same where a team would be told the same words by the same speakers: a text is
the message that AutoGen makes of it, and ids and times do not count.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import Any, Final, cast

from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_core import Image

from supervisor._autogen.checkpoints import messages
from supervisor._autogen.checkpoints.messages import Types
from supervisor._checkpoints.pieces import decode, encode
from supervisor._core.errors import CheckpointCorrupt

Task = str | BaseChatMessage | Sequence[BaseChatMessage]

_OF_THE_MOMENT: Final = frozenset({"id", "created_at"})
_SHOWN: Final = 40  # characters of a task, in an error


def dump_task(task: Task | None) -> Any:
    """Return a task as JSON data; None where there is none."""
    if task is None:
        return None
    if isinstance(task, str):
        task = TextMessage(content=task, source="user")
    given = [task] if isinstance(task, BaseChatMessage) else task
    return decode(encode([messages.dump(message) for message in given]))


def parse_task(data: Any, types: Types, run_id: str = "") -> list[BaseChatMessage] | None:
    """Return the messages of a task that was written so; None where there was none.

    Raises:
        UnknownMessage: The team does not know the type of a message.
        CheckpointCorrupt: It is no task.
    """
    if data is None:
        return None
    if not isinstance(data, list):
        raise CheckpointCorrupt(run_id, "its task has another form")
    found = [messages.parse(item, types, run_id) for item in cast("list[object]", data)]
    if not all(isinstance(message, BaseChatMessage) for message in found):
        raise CheckpointCorrupt(run_id, "its task has another form")
    return found


def is_same_task(old: Any, new: Any) -> bool:
    """Return whether two tasks, as data, are the same."""
    return _is_same(_lasting(old), _lasting(new))


def task_difference(old: Any, new: Any) -> str:
    """Return in words how two tasks, as data, differ; "" where they are the same."""
    if is_same_task(old, new):
        return ""
    if _shown(old) != _shown(new):
        return f"it was {_shown(old)}, and is {_shown(new)} now"
    then, now = _last(old), _last(new)
    fields = (key for key in now if key not in _OF_THE_MOMENT)
    found = next((key for key in fields if not _is_same(then.get(key), now[key])), "")
    if not found:
        return "an earlier one of its messages is another"
    was, is_now = _brief(then.get(found)), _brief(now[found])
    return f"its last message had the {found} {was}, and has {is_now} now"


def _lasting(data: Any) -> Any:
    """Return messages, as data, without ids and times."""
    if isinstance(data, list):
        return [_lasting(item) for item in cast("list[object]", data)]
    if isinstance(data, dict):
        found = cast("dict[str, Any]", data)
        return {key: value for key, value in found.items() if key not in _OF_THE_MOMENT}
    return data


def _is_same(old: Any, new: Any) -> bool:
    if isinstance(old, list) and isinstance(new, list):
        these, those = cast("list[object]", old), cast("list[object]", new)
        return len(these) == len(those) and all(map(_is_same, these, those))
    if isinstance(old, dict) and isinstance(new, dict):
        one, other = cast("dict[str, Any]", old), cast("dict[str, Any]", new)
        if one.keys() == other.keys() == {"data"}:
            return _is_same_picture(one["data"], other["data"])
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    return bool(old == new)


def _is_same_picture(old: Any, new: Any) -> bool:
    """Compare two pictures: another version of what compresses them makes another text."""
    if old == new:
        return True
    try:
        one, other = Image.from_base64(old).image, Image.from_base64(new).image
    except Exception:  # noqa: BLE001 - it is no picture: whatever Pillow raises
        return False
    return one.size == other.size and one.tobytes() == other.tobytes()


def _shown(data: Any) -> str:
    if not isinstance(data, list) or not data:
        return "none"
    count, last = len(cast("list[object]", data)), _last(data)
    content = last.get("content")
    words = _brief(content) if isinstance(content, str) else f"a {last.get('$')}"
    return words if count == 1 else f"{count} messages, the last {words}"


def _last(data: Any) -> dict[str, Any]:
    found = cast("list[object]", data)[-1] if isinstance(data, list) and data else None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _brief(value: object) -> str:
    shown = reprlib.Repr()
    shown.maxstring = shown.maxother = _SHOWN
    return shown.repr(value)

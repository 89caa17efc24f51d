"""What is kept of a conversation, as one JSON object or in the parts of a store."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from supervisor._cli.chat.conversation.points import Point
from supervisor._cli.errors import CommandError

VERSION: Final = 1
"""The version of the schema. Raise it where an older program would misread what is written."""

_FILES: Final = (".json", ".yaml", ".yml")

_MOST_UNDO: Final = 4_000_000
"""How many characters of states to return to are kept; the oldest are left out first."""


class Damaged(Exception):
    """A text is no record of a conversation; the exception's text says why."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """A conversation, as it is kept.

    Args:
        point: Where it stands.
        undo: The points before its last exchanges, the oldest first.
        unanswered: The words of an exchange in which nobody has answered yet.
        shape: Of which teams and agents the target consists.
        begun: When it began, in seconds since 1970.
        target: What is talked to; "" where that is unknown.
        folder: Where it was talked to.
    """

    point: Point
    undo: tuple[Point, ...] = ()
    unanswered: str = ""
    shape: tuple[str, ...] = ()
    begun: float = field(default_factory=time.time)
    target: str = ""
    folder: str = ""

    def to_text(self, name: str, target: str, folder: str) -> str:
        """Write it out.

        Raises:
            TypeError: The state of an agent is no JSON.
            ValueError: The same.
        """
        undo = ", ".join(self.newest_undo())
        head = json.dumps(self.head(name, target, folder))
        return f'{head[:-1]}, "now": {self.point.text}, "undo": [{undo}]}}\n'

    def head(self, name: str, target: str, folder: str) -> dict[str, Any]:
        """Return what is told of it."""
        return {
            "schema_version": VERSION,
            "session": name,
            "target": target,
            "folder": folder,
            "shape": self.shape,
            "begun": _time(self.begun),
            "saved": _time(time.time()),
            "messages": self.point.messages,
            "unanswered": self.unanswered,
        }

    def newest_undo(self) -> list[str]:
        """Return the points before its last exchanges as JSON, as many as are kept."""
        return _newest([point.text for point in self.undo])

    @classmethod
    def from_text(cls, text: str) -> Record:
        """Read it; what `save_state()` of a team has given counts as well, where it is JSON.

        Raises:
            Damaged: It is something else.
        """
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Damaged(f"it is damaged ({error})") from error
        if not isinstance(found, dict):
            raise Damaged("it is no saved conversation")
        data = cast("dict[str, Any]", found)
        if "schema_version" not in data:
            return cls(point=_bare(data))
        return cls._read(data, ())

    @classmethod
    def from_parts(
        cls, head: Mapping[str, Any], now: str, undo: Sequence[str], said: Sequence[Any]
    ) -> Record:
        """Read what a store has of it.

        Args:
            head: What is told of it.
            now: Where it stands, as JSON.
            undo: The points before its last exchanges, as JSON.
            said: What was shown of it.

        Raises:
            Damaged: It is something else.
        """
        try:
            data = {**head, "now": json.loads(now), "undo": [json.loads(point) for point in undo]}
        except (TypeError, ValueError) as error:
            raise Damaged(f"it is damaged ({error})") from error
        return cls._read(data, said)

    @classmethod
    def _read(cls, data: Mapping[str, Any], said: Sequence[Any]) -> Record:
        version = data.get("schema_version")
        if isinstance(version, int) and version > VERSION:
            raise Damaged("a newer version of autogen-supervisor has written it; use that one")
        try:
            return cls(
                point=_point(data["now"], said),
                undo=tuple(_point(point, said) for point in data["undo"]),
                unanswered=str(data["unanswered"]),
                shape=tuple(map(str, data["shape"])),
                begun=_seconds(data["begun"]),
                target=str(data["target"]),
                folder=str(data["folder"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise Damaged(f"it is damaged ({error!r})") from error

    def check(self, name: str, target: str, shape: Sequence[str]) -> None:
        """Raise where the session belongs to something else.

        Raises:
            CommandError: It does.
        """
        if not is_same_target(self.target, target, self.folder):
            raise CommandError(
                f"the session {name!r} is one of {self.target!r}, and not of {target!r}; "
                f"go on with it by: autogen-supervisor chat {self.target} -r {name}"
            )
        self.check_shape(f"the session {name!r}", shape)

    def check_shape(self, what: str, shape: Sequence[str]) -> None:
        """Raise where the state is one of another team.

        Raises:
            CommandError: It is.
        """
        if self.shape and list(self.shape) != list(shape):
            raise CommandError(
                f"{what} was made when the target was {', '.join(self.shape)}; "
                f"now it is {', '.join(shape)}; begin a new conversation"
            )


def is_same_target(one: str, other: str, folder: str) -> bool:
    """Return whether two words of the command line name the same file, or the same in it."""
    return one == other or _resolved(one, folder) == _resolved(other, str(Path.cwd()))


def _resolved(word: str, folder: str) -> tuple[str, str]:
    place, attribute = word, ""
    if not word.endswith(_FILES):
        place, _, attribute = word.rpartition(":")
    is_file = place.endswith((".py", *_FILES))
    return (os.path.realpath(Path(folder, place)) if is_file else place, attribute)


def _bare(state: Mapping[str, Any]) -> Point:
    if not {"type", "agent_states", "llm_context"} & state.keys():
        raise Damaged("it is no saved conversation")
    return Point(state=state)


def _point(data: Mapping[str, Any], said: Sequence[Any]) -> Point:
    state = data["state"]
    if not isinstance(state, dict):
        raise TypeError("its state is no object")
    return Point(
        state=cast("dict[str, Any]", state),
        messages=int(data["messages"]),
        can_go_on=bool(data["can_go_on"]),
        said=tuple(said[: int(data.get("said", 0))]),
    )


def _newest(texts: list[str]) -> list[str]:
    """Return those that fit into the limit, the oldest first."""
    left = _MOST_UNDO
    for place in range(len(texts) - 1, -1, -1):
        left -= len(texts[place])
        if left < 0:
            return texts[place + 1 :]
    return texts


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _seconds(text: str) -> float:
    import calendar

    return float(calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")))

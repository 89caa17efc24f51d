"""A conversation as a store keeps it: its states, what is told of it, and what was said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from supervisor._checkpoints.snapshot import Kept, LogChange, Snapshot
from supervisor._cli.chat.conversation.record import Damaged, Record

SAID: Final = "output"
"""The log of what was said, as runs have it."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A moment of a conversation, in which nothing changes any more.

    Args:
        messages: How many messages were said.
        head: What is told of it.
        states: The states to which it can return, as text.
        said: What was said, as JSON-able data.
    """

    messages: int
    head: Mapping[str, Any]
    states: Mapping[str, Any]
    said: Sequence[Mapping[str, Any]]

    def after(self, written: Sequence[Mapping[str, Any]]) -> Snapshot:
        """Return what is new of it.

        Args:
            written: What the log has.
        """
        start = len(written)
        has_grown = len(self.said) >= start and all(
            one is other for one, other in zip(self.said, written, strict=False)
        )
        start = start if has_grown else 0
        new = self.said[start:]
        changes = [LogChange(SAID, start, new)] if new or not has_grown else []
        return Snapshot(
            turn=self.messages,
            changes=changes,
            lengths={SAID: len(self.said)},
            rest=self.head,
            states=self.states,
        )


def contents_of(record: Record, name: str, target: str, folder: str) -> Contents:
    """Return a conversation as it is to be kept.

    Raises:
        TypeError: The state of an agent is no JSON.
        ValueError: The same.
    """
    return Contents(
        messages=record.point.messages,
        head=record.head(name, target, folder),
        states={"now": record.point.text, "undo": record.newest_undo()},
        said=record.point.said,
    )


def record_of(kept: Kept) -> Record:
    """Return the conversation that was kept.

    Raises:
        Damaged: It is none.
    """
    states = kept.states
    if not {"now", "undo"} <= states.keys():
        raise Damaged("it is no conversation")
    return Record.from_parts(kept.rest, states["now"], states["undo"], kept.logs.get(SAID, ()))

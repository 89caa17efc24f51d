"""Messages that are being streamed.

Where several agents stream at once, one of them has the floor. What the others stream waits until
that message is complete, or until its agent has been silent for a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from supervisor._cli.output.page import Page
from supervisor._cli.output.sanitize import one_line, sanitize

_SILENCE: Final = 1.0  # seconds


@dataclass
class Stream:
    """What one agent streams."""

    parts: list[str] = field(default_factory=list[str])
    message_id: str | None = None
    """The message that the parts will make up, where they tell."""
    shown: int = 0
    """How many of the parts are in the transcript."""
    half_newline: str = ""
    """A carriage return at the end of what is shown: its newline may follow."""
    before: list[str] = field(default_factory=list[str])
    """What was streamed before a tool was called."""

    @property
    def text(self) -> str:
        """What there is of it, made safe for a terminal."""
        return sanitize("".join(self.parts))

    @property
    def whole(self) -> str:
        """The same, with what was streamed before a tool was called."""
        return sanitize("".join([*self.before, *self.parts]))

    def pause(self) -> None:
        """Go on with a message of its own, perhaps."""
        self.before += self.parts
        self.parts.clear()
        self.shown = 0

    def unshown(self) -> str:
        """Return what was not shown yet; it counts as shown now."""
        text = self.half_newline + "".join(self.parts[self.shown :])
        self.shown = len(self.parts)
        self.half_newline = "\r" if text.endswith("\r") else ""
        return sanitize(text.removesuffix("\r"))


class Streams:
    """The messages that are being streamed, each by its agent's name.

    Args:
        page: Where they are shown.
        clock: Tells the time, in seconds.
    """

    def __init__(self, page: Page, clock: Callable[[], float]) -> None:
        self._page = page
        self._clock = clock
        self._of: dict[str, Stream] = {}
        self._floor: str | None = None
        self._heard_at = 0.0

    def __getitem__(self, source: str) -> Stream | None:
        return self._of.get(source)

    def chunk(self, event: Any) -> str:
        """Add a chunk; return what is to be shown now."""
        source: str = event.source
        stream = self._of.get(source)
        if stream is None:
            stream = self._of[source] = Stream()
        stream.parts.append(event.content)
        if event.full_message_id is not None:
            stream.message_id = event.full_message_id
        now = self._clock()
        if self._floor != source:
            if self._floor is not None and now - self._heard_at < _SILENCE:
                return ""
            self._floor = source
        self._heard_at = now
        return self._page.open(one_line(source), stream.unshown())

    def end(self, source: str) -> str:
        """End what an agent streams; return what of it was not shown yet, and the line's end."""
        said = self.pause(source)
        self._of.pop(source, None)
        return said

    def pause(self, source: str) -> str:
        """Do the same, where the agent's message may still come: it calls a tool before."""
        stream = self._of.get(source)
        if source == self._floor:
            self._floor = None
        if stream is None:
            return ""
        said = ""
        if stream.shown < len(stream.parts):
            said = self._page.open(one_line(source), stream.unshown())
        stream.pause()
        return said + self._page.end_line()

    def drop(self, source: str) -> bool:
        """Forget what an agent has streamed if nothing of it was shown; return whether so."""
        stream = self._of.get(source)
        if stream is None or stream.shown or stream.before:
            return stream is None
        del self._of[source]
        return True

    def end_all(self) -> str:
        """End them all: that of the floor first, whose line may be open."""
        first = [] if self._floor is None else [self._floor]
        return "".join(map(self.end, [*first, *self._of]))

    def pass_floor(self) -> str:
        """Give the floor, where it is free, to an agent that waits for it."""
        if self._floor is not None:
            return ""
        for source, stream in self._of.items():
            if stream.shown < len(stream.parts):
                self._floor, self._heard_at = source, self._clock()
                return self._page.open(one_line(source), stream.unshown())
        return ""

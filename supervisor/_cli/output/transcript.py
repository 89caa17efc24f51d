"""The transcript of a run: the text to print for each of its events.

Chunks appear as they come, and the message that they make up is not shown again. Tool calls are
folded to a line. An event of a class that nobody knows is shown by its `to_text()`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from supervisor._cli.output.events import content_of, source_of, text_of
from supervisor._cli.output.page import Page, Width
from supervisor._cli.output.palette import Palette
from supervisor._cli.output.sanitize import one_line
from supervisor._cli.output.streams import Streams
from supervisor._cli.output.tool_calls import ToolCalls
from supervisor._reports.run_json import CHUNK, RESULT, kind_of


class Transcript:
    """Turns the events of a run, and of the runs after it, into text.

    Args:
        width: The terminal's cells, or what returns them; None: no terminal.
        color: Whether to print in colours; needs rich.
        verbose: Whether to show what tools return, and all that code has printed.
        clock: Tells the time, in seconds.
    """

    def __init__(
        self,
        width: Width,
        color: bool,  # noqa: FBT001 - Transcript(80, True)
        *,
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._page = Page(width, Palette(color=color), verbose=verbose)
        self._streams = Streams(self._page, clock)
        self._calls = ToolCalls(self._page, clock)
        self._shows: Mapping[str, Callable[[Any], str]] = {
            RESULT: lambda _event: self.finish(),
            "CodeExecutionEvent": self._code,
            "HandoffMessage": self._handoff,
            "MemoryQueryEvent": self._memories,
            "SelectSpeakerEvent": self._selection,
            "SelectorEvent": self._thought,
            "ThoughtEvent": self._thought,
            "ToolCallExecutionEvent": self._calls_end,
            "ToolCallRequestEvent": self._calls_begin,
            "UserInputRequestedEvent": self._asks,
            "BaseAgentEvent": self._other,
            "": self._other,
        }

    @property
    def is_line_open(self) -> bool:
        """Whether the text so far ends within a line."""
        return self._page.is_line_open

    @property
    def is_empty(self) -> bool:
        """Whether there is no text yet."""
        return self._page.is_empty

    def render(self, event: object) -> str:
        """Return the text to print for an event; "" for none. It never raises."""
        kind = kind_of(event)
        try:
            if kind == CHUNK:
                return self._streams.chunk(event)
            said = self._shows.get(kind, self._message)(event)
            return said + self._streams.pass_floor()
        except Exception as error:  # noqa: BLE001 - of a class of the user's
            what = f"{type(event).__name__} cannot be shown: {type(error).__name__}"
            return self._page.note("", one_line(what))

    def begin(self) -> None:
        """Begin below a line that somebody has typed: no blank line comes before the first."""
        self._page.is_empty = True

    def aside(self, text: str) -> str:
        """Return a line that belongs to no agent; whoever speaks next has a heading."""
        gap = "" if self._page.is_empty else "\n"
        return self._page.begin_anew() + gap + self._page.line(text)

    def finish(self) -> str:
        """Return what is left to print as a run ends: the end of a line, open tool calls."""
        said = self._page.end_line() + self._streams.end_all() + self._calls.end_all()
        return said + self._page.begin_anew()

    def _message(self, event: Any) -> str:
        """Show a message, or what of it was not streamed."""
        text, source = text_of(event), source_of(event)
        stream = self._streams[event.source]
        if stream is None or self._streams.drop(event.source):
            return self._page.paragraph(source, text)
        streamed, whole = stream.text.strip(), stream.whole.strip()
        is_complete = stream.message_id is not None and stream.message_id == event.id
        said = self._streams.end(event.source)
        if _is_shown(text.strip(), streamed, whole) or (is_complete and _are_alike(streamed, text)):
            return said
        return said + self._page.paragraph(source, text)

    def _handoff(self, event: Any) -> str:
        said = self._streams.pause(event.source) + self._page.heading(source_of(event))
        target, words = one_line(event.target), one_line(text_of(event))
        arrow = self._page.palette.agent(target, f"→ {target}")
        return said + self._page.line(f"{arrow}  {self._page.palette.dim(words)}".rstrip())

    def _thought(self, event: Any) -> str:
        text = text_of(event).strip()
        stream = self._streams[event.source]
        if not text or (stream is not None and text in stream.text):
            return ""
        said = self._page.heading(source_of(event))
        return said + self._page.dim_lines(f"│ {line}" for line in text.split("\n"))

    def _calls_begin(self, event: Any) -> str:
        self._calls.begin(event)
        return self._streams.pause(event.source)

    def _calls_end(self, event: Any) -> str:
        return self._streams.pause(event.source) + self._calls.end(event)

    def _code(self, event: Any) -> str:
        said = self._streams.pause(event.source) + self._page.heading(source_of(event))
        palette, status = self._page.palette, event.result.exit_code
        style = palette.error if status else palette.dim
        said += self._page.folded("code", f" exited with {status}", style)
        return said + self._page.block(text_of(event).strip())

    def _memories(self, event: Any) -> str:
        found = content_of(event)
        said = self._note(event, f"recalls {len(found)} from memory")
        if self._page.verbose:
            said += self._page.block("\n".join(one_line(str(each.content)) for each in found))
        return said

    def _selection(self, event: Any) -> str:
        return self._note(event, f"next: {one_line(', '.join(map(str, content_of(event))))}")

    def _asks(self, event: Any) -> str:
        return self._streams.pause(event.source) + self._page.heading(source_of(event))

    def _other(self, event: object) -> str:
        name, text = one_line(type(event).__name__), text_of(event).strip()
        if not text or "\n" in text:
            return self._note(event, name) + self._page.block(text)
        return self._note(event, f"{name}: {text}")

    def _note(self, event: object, text: str) -> str:
        ended = self._streams.pause(getattr(event, "source", ""))
        return ended + self._page.note(source_of(event), text)


def _is_shown(text: str, streamed: str, whole: str) -> bool:
    """Return whether a message was streamed: after thoughts, or around tool calls."""
    return text == whole or (bool(streamed) and streamed.endswith(text))


def _are_alike(one: str, other: str) -> bool:
    """Return whether two texts are the same but for spaces, as JSON may be."""
    return "".join(one.split()) == "".join(other.split())

"""The line below the transcript: who is at work, for how long, and at what cost.

Once a stop is requested, it says what the stop does now, for how long, and what the next Ctrl-C
does; in the supervisor's words (`_supervisor/progress.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from supervisor._cli.output import amounts
from supervisor._cli.output.events import content_of, source_of
from supervisor._cli.output.sanitize import one_line
from supervisor._reports.run_json import CHUNK, RESULT, kind_of, usage_of


class StatusLine:
    """Says what is going on. Its text may be asked for in any thread.

    Args:
        progress: Returns what a stop does now; None as long as there is none.
        agents: Returns the names of the agents whose turn it is.
        clock: Tells the time, in seconds.
    """

    def __init__(
        self,
        progress: Callable[[], str | None] = lambda: None,
        agents: Callable[[], Sequence[str]] = list,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress = progress
        self._agents = agents
        self._clock = clock
        self._began_at: float | None = None
        self._last = ""  # whose event came last
        self._calls: dict[str, str] = {}  # the tools that are called, by the call's id
        self._is_asking = False  # a person, who types below the transcript
        self._counted: set[str] = set()  # the messages whose tokens are counted
        self.tokens = 0
        """The tokens so far, of all runs."""

    def begin(self) -> None:
        """Count the time from here on."""
        self._began_at = self._clock()
        self._last = ""
        self._calls.clear()

    @property
    def seconds(self) -> float:
        """How long it has been at work."""
        return 0.0 if self._began_at is None else self._clock() - self._began_at

    def event(self, event: Any) -> None:
        """Take note of an event."""
        kind = kind_of(event)
        if kind == CHUNK:
            self._last, self._is_asking = event.source, False
            return
        if kind in ("", RESULT):
            return
        self._is_asking = kind == "UserInputRequestedEvent"
        self._last = source_of(event)
        self._count(event)
        if kind == "ToolCallRequestEvent":
            self._calls.update((call.id, one_line(str(call.name))) for call in content_of(event))
        elif kind == "ToolCallExecutionEvent":
            for result in content_of(event):
                self._calls.pop(result.call_id, None)

    def text(self) -> str:
        """Return the line; it may be longer than the terminal is wide."""
        progress = self._progress()
        if progress is not None:
            return one_line(progress)
        if self._is_asking:
            return ""
        parts = [self._who(), amounts.whole_seconds(self.seconds)]
        if self.tokens:
            parts.append(amounts.count(self.tokens, "token"))
        return " · ".join(filter(None, parts))

    def _who(self) -> str:
        names = list(dict.fromkeys(self._agents())) or [self._last]
        who = one_line(", ".join(filter(None, names)))
        calls = list(dict.fromkeys(list(self._calls.values())))
        return f"{who} calls {', '.join(calls)}" if calls and who else who

    def _count(self, event: Any) -> None:
        tokens = usage_of(event).total
        if tokens and event.id not in self._counted:
            self._counted.add(event.id)
            self.tokens += tokens

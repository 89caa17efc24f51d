"""What an answer looks like: its events as text, and a line that says what is going on."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from supervisor._cli.output.look import Look
from supervisor._cli.output.status_line import StatusLine
from supervisor._cli.output.transcript import Transcript


class AnswerView:
    """Shows the answers of one chat.

    Args:
        progress: Returns what a stop does now; None as long as there is none.
        agents: Returns the names of the agents whose turn it is.
    """

    def __init__(
        self, progress: Callable[[], str | None], agents: Callable[[], Sequence[str]]
    ) -> None:
        look = Look(os.environ)
        self._transcript = Transcript(look.columns, look.has_color)
        self._progress = progress
        self._line = StatusLine(progress, agents)

    def begin(self) -> None:
        """Begin an answer."""
        self._line.begin()

    def render(self, event: object) -> str:
        """Return the text to print for an event; "" for none."""
        self._line.event(event)
        return self._transcript.render(event)

    def finish(self) -> str:
        """Return what is left to print at the end of an answer."""
        return self._transcript.finish()

    def status(self, queued: int) -> str:
        """Return what is going on, in one line."""
        if self._progress() is not None:
            return self._line.text()
        queue = f"{queued} queued, Enter to send after this turn" if queued else ""
        return " · ".join(filter(None, (self._line.text(), queue, "Ctrl-C to stop")))

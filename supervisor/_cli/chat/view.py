"""What an answer looks like: its events as text, and a line that says what is going on."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from supervisor._cli.output.events import source_of, text_of
from supervisor._cli.output.look import Look
from supervisor._cli.output.status_line import StatusLine
from supervisor._cli.output.transcript import Transcript
from supervisor._reports.run_json import kind_of


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
        self._asking = ""  # who has asked the user last
        self._answers: dict[str, str] = {}  # by who has asked; not said yet

    def begin(self) -> None:
        """Begin an answer."""
        self._line.begin()
        self._transcript.begin()
        self._answers.clear()

    def render(self, event: object) -> str:
        """Return the text to print for an event; "" for none."""
        self._line.event(event)
        if kind_of(event) == "UserInputRequestedEvent" or self._is_on_screen(event):
            return ""
        return self._transcript.render(event)

    def _is_on_screen(self, event: object) -> bool:
        """Return whether a message is the answer that the user has typed at the prompt."""
        if kind_of(event) != "BaseChatMessage":
            return False
        source = source_of(event)
        is_answer = self._answers.get(source) == text_of(event)
        return is_answer and self._answers.pop(source, None) is not None

    def question(self, text: str) -> str:
        """Return the text to print for a question to the user, which begins with who asks."""
        self._asking = text.partition(":")[0]
        return self._transcript.aside(text)

    def note_answer(self, text: str) -> None:
        """Take note of the user's answer: its message is not shown once more."""
        if text:
            self._answers[self._asking] = text

    def finish(self) -> str:
        """Return what is left to print at the end of an answer."""
        return self._transcript.finish()

    def status(self, queued: int) -> str:
        """Return what is going on, in one line."""
        if self._progress() is not None:
            return self._line.text()
        queue = f"{queued} queued, Enter to send after this turn" if queued else ""
        return " · ".join(filter(None, (self._line.text(), queue, "Ctrl-C to stop")))

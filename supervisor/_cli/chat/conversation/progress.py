"""How far a conversation has come, and the keeping of that."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from supervisor._cli.chat.conversation.points import Point, UndoPoints
from supervisor._cli.chat.conversation.record import Record
from supervisor._cli.output import amounts
from supervisor._reports.run_json import CHUNK, RESULT, kind_of

if TYPE_CHECKING:
    from supervisor._cli.chat.conversation.sessions import Sessions


class Progress:
    """How far a conversation has come.

    Args:
        sessions: Where it is kept; None keeps it in this process alone.
    """

    def __init__(self, sessions: Sessions | None) -> None:
        self.now = Point(state=None)
        """The point after the last exchange."""
        self.turn: Point | None = None
        """The point after the last turn of the exchange in progress, where there is one."""
        self.undo = UndoPoints()
        self.unanswered = ""
        """The words of an exchange in which nobody has answered yet."""
        self._sessions = sessions
        self._said: list[Mapping[str, Any]] = []
        self._shape: Sequence[str] = ()
        self._begun = time.time()
        self._problem = ""
        self._is_open = False
        self._has_words = False  # the exchange in progress; else it goes on with the one before

    # -- the session ----------------------------------------------------------------------------

    async def open(self, shape: Sequence[str]) -> Record | None:
        """Take the session for this chat.

        Returns:
            What it holds; None for a new one.

        Raises:
            CommandError: It cannot be continued.
        """
        self._shape = shape
        if self._sessions is None:
            return None
        record = await asyncio.to_thread(self._sessions.open, shape)
        self._is_open = True
        if record is not None:
            self.now, self.unanswered, self._begun = record.point, record.unanswered, record.begun
            self.undo = UndoPoints(record.undo)
            self._said = list(self.now.said)
        return record

    def start(self, point: Point) -> None:
        """Note where a new conversation stands."""
        self.now = point
        self.write()

    def describe(self) -> str:
        """Describe a session that is continued, in one line."""
        said = f"Going on with {self.name}: {amounts.count(self.now.messages, 'message')}"
        if self.unanswered:
            said += "; the last words were not answered"
        elif self.now.can_go_on:
            said += "; the last answer was cut off, and an empty line goes on with it"
        return f"{said}."

    @property
    def name(self) -> str:
        """The name of the session; "" where it is not kept."""
        return self._sessions.name if self._sessions is not None else ""

    @property
    def place(self) -> str:
        """Where the session is kept; "" where it is not."""
        return self._sessions.place if self._sessions is not None else ""

    @property
    def resume_line(self) -> str:
        """The command that goes on with it; "" where it is not kept, or not open."""
        if self._sessions is None or not self._is_open:
            return ""
        return self._sessions.resume_line

    def record(self) -> Record:
        """Return all that is kept of it."""
        is_one_more = self.turn is not None and self._has_words
        undo = [*self.undo, self.now] if is_one_more else list(self.undo)
        return Record(
            point=self.turn or self.now,
            undo=tuple(undo),
            unanswered="" if self.turn is not None else self.unanswered,
            shape=tuple(self._shape),
            begun=self._begun,
        )

    def text(self) -> str:
        """Return it as it is kept in a file.

        Raises:
            TypeError: The state is no JSON.
            ValueError: The same.
        """
        target, folder = "", ""
        if self._sessions is not None:
            target, folder = self._sessions.target, self._sessions.folder
        return self.record().to_text(self.name, target, folder)

    def write(self) -> None:
        """Have it written, soon."""
        if self._sessions is None:
            return
        try:
            self._sessions.write(self.record())
        except (TypeError, ValueError) as error:
            self._problem = f"the state of this target cannot be written ({error})"

    async def flush(self, seconds: float | None = None) -> str:
        """Wait until it is written.

        Args:
            seconds: For how long at most; None for no limit.

        Returns:
            One line, the first time that fails; else "".
        """
        if self._sessions is None:
            return ""
        problem = await self._sessions.flush(self._problem, seconds)
        return problem and f"The conversation is not kept: {problem}; the chat goes on."

    def close(self) -> None:
        """Write what is left to write, and let others have the session."""
        if self._sessions is not None:
            self._sessions.close()

    # -- the exchanges --------------------------------------------------------------------------

    def begin(self, words: str | None) -> None:
        """Note that an exchange begins; None where one goes on."""
        self.turn, self.unanswered = None, words or ""
        self._said = list(self.now.said)
        self._has_words = words is not None
        self.write()

    def note_said(self, message: object) -> None:
        """Note a message or an event of the exchange, the user's words included."""
        from supervisor._autogen.checkpoints import messages

        if kind_of(message) not in (CHUNK, RESULT):
            with contextlib.suppress(Exception):  # of a class of the user's
                self._said.append(messages.dump(cast("Any", message)))

    @property
    def said(self) -> Sequence[Mapping[str, Any]]:
        """What was said until now, as JSON-able data."""
        return tuple(self._said)

    def note_turn(self, state: Mapping[str, Any], messages: int) -> None:
        """Note the state after a turn of the exchange.

        Args:
            state: The state.
            messages: How many messages were said since the exchange began.
        """
        count = self.now.messages + messages
        self.turn = Point(state=state, messages=count, can_go_on=True, said=self.said)
        self.write()

    def keep(self, point: Point, *, can_be_undone: bool = True) -> None:
        """Note where the conversation stands after an exchange.

        Args:
            point: The point.
            can_be_undone: Whether it is one by itself, and does not belong to the one before.
        """
        if can_be_undone:
            self.undo.push(self.now)
        self.now, self.turn, self.unanswered = point, None, ""
        self.write()

    def take_out(self) -> None:
        """Note that an exchange was taken out again."""
        self.turn, self.unanswered = None, ""
        self.write()

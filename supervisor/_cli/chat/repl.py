"""The loop of a chat: what is typed goes to the conversation, and what that says to the user.

While nothing is answered, lines are taken one after the other. While an answer is made, words are
queued for the next boundary between two turns, and an empty line asks for that boundary.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from supervisor._cli.chat.conversation.commands import as_typed, is_command, leaves, words_of
from supervisor._cli.chat.ctrl_c import SECONDS, CtrlC, Effect
from supervisor._cli.chat.terminal.user_interface import ANSWER, PROMPT, QUEUE, Keys, UserInterface
from supervisor._cli.chat.typed_lines import TypedLines
from supervisor._cli.errors import CommandError

if TYPE_CHECKING:
    from supervisor._cli.chat.conversation.conversation import Conversation
    from supervisor._cli.chat.view import AnswerView

_REFRESH_SECONDS: Final = 0.25
_GOES_ON: Final = "An empty line goes on."
_LEAVE_HINT: Final = "Ctrl-D or /exit leaves; the word alone is not sent."
_HINT: Final = f"Press Ctrl-C again within {SECONDS:g} s, or Ctrl-D, to leave"


class Repl:
    """One chat.

    Args:
        ui: The terminal.
        view: What an answer looks like.
        conversation: Makes the conversation, given what takes its events and what asks the user.
        is_over: Returns whether the whole program is to stop.
    """

    def __init__(
        self,
        ui: UserInterface,
        view: AnswerView,
        conversation: Callable[
            [Callable[[object], None], Callable[[str], Awaitable[str]]], Conversation
        ],
        *,
        is_over: Callable[[], bool],
    ) -> None:
        self._ui = ui
        self._view = view
        self._is_over = is_over
        self._ctrl_c = CtrlC()
        self._typed = TypedLines()
        self._question: asyncio.Future[str] | None = None
        self._opening: asyncio.Future[None] | None = None
        self._is_leaving = False
        self._hint = ""
        self._command_at_work = ""
        self._commands: set[asyncio.Task[None]] = set()
        self._conversation = conversation(self._on_event, self._ask)

    @property
    def last_words(self) -> str:
        """What every exit prints; "" where the conversation is not kept."""
        line = self._conversation.resume_line
        return f"Resume with: {line}\n" * bool(line)

    async def run(self) -> None:
        """Converse until the user leaves, the terminal has gone or the program is to stop."""
        keys = Keys(on_line=self._line, on_escape=self._escape, on_end=self._leave)
        shown = asyncio.create_task(self._ui.run(keys))
        shown.add_done_callback(lambda _: self._leave())  # the terminal has gone
        try:
            await self._converse()
        finally:
            self._conversation.close()
            self._ui.close()
            await asyncio.wait([shown])
        shown.result()

    async def _converse(self) -> None:
        conversation = self._conversation
        if not await self._open():
            return
        self._ui.set_last_words(self.last_words)
        self._print_line(conversation.greeting)
        self._print_line(conversation.opening)
        self._bring_back(conversation.unanswered)
        while not self._is_over():
            self._show()
            line = await self._typed.next()
            if line is None:
                return
            if is_command(line):
                await self._command(line)
            else:
                await self._exchange(line)

    async def _open(self) -> bool:
        """Make the team; return whether that was not given up by the user."""
        self._opening = asyncio.ensure_future(self._conversation.open())
        try:
            await self._opening
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            if not self._is_leaving:  # it has blocked the loop as Ctrl-C was pressed
                raise CommandError("making the target was interrupted", status=1) from None
            return False
        finally:
            self._opening = None
        return True

    async def _exchange(self, words: str) -> None:
        self._view.begin()
        ticking = asyncio.create_task(self._tick())
        try:
            exchange = await self._conversation.exchange(words_of(words) or None)
        finally:
            ticking.cancel()
        if exchange.outcome not in ("finished", "failed"):
            self._ctrl_c.note_stop(time.monotonic())
        self._ui.print(self._view.finish())
        goes_on = not self._is_leaving and not self._is_over()
        can_go_on = self._conversation.can_go_on and not exchange.words
        self._print_line(_with_way_on(exchange.notice, goes_on and can_go_on))
        self._ui.print("\n" * goes_on)
        self._bring_back(exchange.words)
        if exchange.outcome != "finished" and (typed := self._typed.take_words()):
            self._ui.remember(typed)

    async def _command(self, line: str) -> None:
        """Do a command at the prompt."""
        self._command_at_work = line
        late = asyncio.get_running_loop().call_later(_REFRESH_SECONDS, self._show)
        try:
            self._print_line(await self._conversation.command(line))
        finally:
            self._command_at_work = ""
            late.cancel()

    def _print_line(self, text: str) -> None:
        self._ui.print(f"{text}\n" * bool(text))

    def _bring_back(self, words: str) -> None:
        if words:
            self._ui.remember(as_typed(words))

    # -- what the conversation needs ----------------------------------------------------------

    def _on_event(self, event: object) -> None:
        self._ui.print(self._view.render(event))

    async def _ask(self, question: str) -> str:
        self._question = asyncio.get_running_loop().create_future()
        self._ui.print(self._view.question(question))
        self._show()
        try:
            answer = await self._question
            self._view.note_answer(answer)
            return answer
        finally:
            self._question = None
            self._show()

    # -- what the user does; in the loop ------------------------------------------------------

    def on_interrupt(self, runs: int) -> None:
        """Do what a Ctrl-C does that has stopped so many runs."""
        self._ui.read_typed()  # it was typed before
        is_answering = runs > 0 or self._can_be_stopped
        has_text = not is_answering and self._ui.clear_line()
        effect = self._ctrl_c.effect(time.monotonic(), is_answering=is_answering, has_text=has_text)
        if effect is Effect.STOP:
            self._stop(runs)
        elif effect is Effect.HINT:
            self._set_hint(_HINT)
        elif effect is Effect.LEAVE:
            self._leave()

    def _stop(self, runs: int = 0) -> None:
        if runs == 0:  # else the supervisor has done it
            self._conversation.stop()
        self._show()

    def _escape(self) -> None:
        if self._can_be_stopped:
            self._stop()

    def _leave(self) -> None:
        self._is_leaving = True
        self._typed.leave()
        if self._opening is not None:
            self._opening.cancel()
        if self._can_be_stopped:
            self._stop()

    def _line(self, text: str) -> None:
        self._ctrl_c.note_line()
        words = text.strip()
        if leaves(words):
            self._leave()
        elif self._question is None and words in ("exit", "quit"):
            self._ui.print_aside(f"{_LEAVE_HINT}\n")
        elif is_command(words):
            self._do_now(words) if self._conversation.is_answering else self._typed.put(words)
        elif self._question is not None:
            if not self._question.done():
                self._question.set_result(words_of(text))
        elif self._conversation.is_answering:
            self._add(words)
        elif words or self._conversation.can_go_on:
            self._typed.put(words)
        self._show()

    def _add(self, words: str) -> None:
        """Say something while it answers; nothing: let the queued words go in soon."""
        if words:
            self._conversation.queue(words_of(words))
        else:
            self._conversation.steer()

    def _do_now(self, line: str) -> None:
        """Do a command while it answers."""

        async def do() -> None:
            self._ui.print_aside(f"{await self._conversation.command(line)}\n")

        task = asyncio.create_task(do())
        self._commands.add(task)
        task.add_done_callback(self._commands.discard)

    @property
    def _can_be_stopped(self) -> bool:
        return self._conversation.is_answering or bool(self._command_at_work)

    # -- what is shown below ------------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            self._show()
            await asyncio.sleep(_REFRESH_SECONDS)

    def _show(self) -> None:
        self._ui.show(prompt=self._prompt(), status=self._status(), hint=self._hint)

    def _prompt(self) -> str:
        if self._question is not None:
            return ANSWER
        return QUEUE if self._conversation.is_answering else PROMPT

    def _status(self) -> str:
        if not self._conversation.is_answering:
            work = self._command_at_work
            return f"{work.partition(' ')[0]} is at work · Ctrl-C to stop it" * bool(work)
        return self._view.status(len(self._conversation.queued))

    def _set_hint(self, hint: str) -> None:
        self._hint = hint
        self._show()
        asyncio.get_running_loop().call_later(SECONDS, self._drop_hint, hint)

    def _drop_hint(self, hint: str) -> None:
        if self._hint == hint:
            self._hint = ""
            self._show()


def _with_way_on(notice: str, can_go_on: bool) -> str:  # noqa: FBT001
    """Say at the end of a notice's first line how to go on, where that can be done."""
    if not can_go_on:
        return notice
    said, newline, more = notice.partition("\n")
    return f"{said} {_GOES_ON}".lstrip() + newline + more

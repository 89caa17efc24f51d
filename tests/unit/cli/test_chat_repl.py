"""The loop of a chat, with a user interface and a conversation that only take notes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from supervisor._cli.chat import repl
from supervisor._cli.chat.command_line import read
from supervisor._cli.chat.conversation.exchange import Exchange, ExchangeOutcome
from supervisor._cli.chat.repl import Repl
from supervisor._cli.chat.start import _sessions
from supervisor._cli.chat.terminal.user_interface import Keys
from supervisor._cli.errors import CommandError


class FakeInterface:
    """Keeps what is shown, and lets a test press keys."""

    def __init__(self) -> None:
        self.printed = ""
        self.remembered: list[str] = []
        self.last_words = ""
        self.prompt = self.status = self.hint = self.typed = ""
        self._keys: asyncio.Future[Keys] = asyncio.get_running_loop().create_future()
        self._closed = asyncio.Event()

    @property
    def keys(self) -> Keys:
        """Return what the keys do."""
        return self._keys.result()

    async def run(self, keys: Keys) -> None:
        """Wait until it is closed."""
        self._keys.set_result(keys)
        await self._closed.wait()

    def close(self) -> None:
        """Have `run` end."""
        self._closed.set()

    def print(self, text: str) -> None:
        """Keep what is printed."""
        self.printed += text

    def print_aside(self, text: str) -> None:
        """Keep what is printed."""
        self.printed += text

    def show(self, *, prompt: str, status: str, hint: str) -> None:
        """Keep what is shown."""
        self.prompt, self.status, self.hint = prompt, status, hint

    def remember(self, words: str) -> None:
        """Keep words."""
        self.remembered.append(words)

    def set_last_words(self, text: str) -> None:
        """Keep them."""
        self.last_words = text

    def read_typed(self) -> None:
        """Nothing is on its way."""

    def clear_line(self) -> bool:
        """Drop what was typed."""
        had, self.typed = bool(self.typed), ""
        return had


class FakeConversation:
    """Answers when the test says so."""

    def __init__(
        self, on_event: Callable[[object], None], ask: Callable[[str], Awaitable[str]]
    ) -> None:
        self.on_event, self.ask = on_event, ask
        self.calls: list[object] = []
        self.may_open = asyncio.Event()
        self.queued: list[str] = []
        self.greeting = self.opening = self.unanswered = ""
        self.resume_line = "chat -r a"
        self.can_go_on = True
        self._answer: asyncio.Future[Exchange] | None = None
        self._work: asyncio.Future[None] | None = None

    @property
    def is_answering(self) -> bool:
        """Return whether an answer is awaited."""
        return self._answer is not None

    async def open(self) -> None:
        """Take note, and wait for the test."""
        self.calls.append("open")
        task = asyncio.current_task()
        assert task is not None
        self.opening_task = task
        await self.may_open.wait()

    async def exchange(self, words: str | None) -> Exchange:
        """Wait for the test to end it."""
        self.calls.append(words)
        self._answer = asyncio.get_running_loop().create_future()
        try:
            return await self._answer
        finally:
            self._answer = None

    def end(self, notice: str = "", words: str = "", outcome: ExchangeOutcome = "finished") -> None:
        """End the answer."""
        assert self._answer is not None
        if not self._answer.done():
            self._answer.set_result(Exchange(notice=notice, words=words, outcome=outcome))

    async def command(self, line: str) -> str:
        """Take note; a reset hangs until it is stopped."""
        self.calls.append(line)
        if line == "/reset":
            self._work = asyncio.get_running_loop().create_future()
            await self._work
        return f"did {line}"

    def queue(self, words: str) -> None:
        """Keep words."""
        self.queued.append(words)

    def steer(self) -> None:
        """Take note."""
        self.calls.append("steer")

    def stop(self) -> None:
        """Take note, and end the answer, or the command."""
        self.calls.append("stop")
        if self._work is not None:
            self._work.set_result(None)
            self._work = None
        else:
            self.end("Stopped", outcome="undone")

    def close(self) -> None:
        """Take note."""
        self.calls.append("close")


class FakeView:
    """Shows events as they are."""

    def begin(self) -> None:
        """Begin."""

    def render(self, event: object) -> str:
        """Return the event."""
        return f"{event}\n"

    def question(self, text: str) -> str:
        """Return the question."""
        return f"{text}\n"

    def note_answer(self, text: str) -> None:
        """Take no note."""

    def finish(self) -> str:
        """Return nothing."""
        return ""

    def status(self, queued: int) -> str:
        """Return how many are queued."""
        return f"answering, {queued} queued"


class Chat:
    """A loop at work, and its parts."""

    def __init__(self) -> None:
        self.ui = FakeInterface()
        self.is_over = False
        self.repl = Repl(
            self.ui,
            cast("Any", FakeView()),
            cast("Any", self._converse),
            is_over=lambda: self.is_over,
        )

    def _converse(
        self, on_event: Callable[[object], None], ask: Callable[[str], Awaitable[str]]
    ) -> FakeConversation:
        self.conversation = FakeConversation(on_event, ask)
        return self.conversation

    async def enter(self, line: str) -> None:
        """Enter a line, and let the loop go on."""
        self.ui.keys.on_line(line)
        await settle()


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


@asynccontextmanager
async def chatting(*, opens: bool = True) -> AsyncGenerator[Chat]:
    """Give a chat whose prompt stands, and leave it."""
    chat = Chat()
    task = asyncio.create_task(chat.repl.run())
    await settle()
    if opens:
        chat.conversation.may_open.set()
        await settle()
    yield chat
    await settle()
    chat.ui.keys.on_end()
    async with asyncio.timeout(5):
        await task


async def test_words_are_answered_and_an_empty_line_goes_on() -> None:
    """At the prompt a line is an exchange; an empty one goes on without words."""
    async with chatting() as chat:
        assert chat.ui.prompt == "> "
        await chat.enter(" Hello ")
        assert (chat.ui.prompt, chat.ui.status) == ("queue> ", "answering, 0 queued")
        chat.conversation.on_event("Hi")
        chat.conversation.end("Done")
        await settle()
        assert (chat.ui.prompt, chat.ui.status) == ("> ", "")
        await chat.enter("")
        chat.conversation.end()
    assert chat.conversation.calls == ["open", "Hello", None, "close"]
    assert chat.ui.printed == "Hi\nDone An empty line goes on.\n\nAn empty line goes on.\n\n"


async def test_an_empty_line_is_nothing_where_nothing_can_go_on() -> None:
    """Enter at the prompt does not ask the team without words."""
    async with chatting() as chat:
        chat.conversation.can_go_on = False
        await chat.enter("")
    assert chat.conversation.calls == ["open", "close"]


async def test_words_that_nobody_has_answered_come_back() -> None:
    """The user interface is given the words of an exchange that was taken out."""
    async with chatting() as chat:
        await chat.enter("Hello")
        chat.conversation.end("Stopped", "Hello")
    assert chat.ui.remembered == ["Hello"]


async def test_a_second_slash_makes_words_of_a_command() -> None:
    """A line that begins with two slashes goes to the team, with one."""
    async with chatting() as chat:
        await chat.enter("//etc/passwd")
        await chat.enter("//tmp")
        chat.conversation.end()
    assert chat.conversation.calls == ["open", "/etc/passwd", "close"]
    assert chat.conversation.queued == ["/tmp"]


async def test_what_is_typed_meanwhile_is_queued_and_an_empty_line_steers() -> None:
    """While it answers, words wait for a boundary, and Enter asks for it."""
    async with chatting() as chat:
        await chat.enter("Hello")
        await chat.enter("and this")
        assert chat.conversation.queued == ["and this"]
        assert chat.ui.status == "answering, 1 queued"
        await chat.enter("")
        chat.conversation.end()
    assert chat.conversation.calls == ["open", "Hello", "steer", "close"]


async def test_a_command_is_done_at_once_while_it_answers() -> None:
    """A command does not wait for the end of an answer; at the prompt it takes its turn."""
    async with chatting() as chat:
        await chat.enter("Hello")
        await chat.enter("/stop")
        chat.conversation.end()
        await chat.enter("/undo")
    assert chat.conversation.calls == ["open", "Hello", "/stop", "/undo", "close"]
    assert "did /undo" in chat.ui.printed


async def test_a_question_is_asked_at_the_same_prompt() -> None:
    """The next line is the answer to the question, an empty one too, and nothing is queued."""
    async with chatting() as chat:
        await chat.enter("Hello")
        asked = asyncio.ensure_future(chat.conversation.ask("May I?"))
        await settle()
        assert (chat.ui.prompt, chat.ui.printed) == ("answer> ", "May I?\n")
        await chat.enter("")
        assert (await asked, chat.ui.prompt) == ("", "queue> ")
        chat.conversation.end()
    assert chat.conversation.queued == []


async def test_a_question_that_is_cancelled_is_over() -> None:
    """After a stop the next line is words again."""
    async with chatting() as chat:
        await chat.enter("Hello")
        asked = asyncio.ensure_future(chat.conversation.ask("May I?"))
        await settle()
        asked.cancel()
        await settle()
        assert chat.ui.prompt == "queue> "
        chat.conversation.end()
        await settle()
        await chat.enter("Again")
        chat.conversation.end()
    assert chat.conversation.calls == ["open", "Hello", "Again", "close"]


async def test_escape_stops_the_answer_only() -> None:
    """Esc stops the answer, and does nothing at the prompt."""
    async with chatting() as chat:
        chat.ui.keys.on_escape()
        await chat.enter("Hello")
        chat.ui.keys.on_escape()
        await settle()
        assert chat.ui.prompt == "> "
    assert chat.conversation.calls == ["open", "Hello", "stop", "close"]


async def test_ctrl_c_is_left_to_the_supervisor_where_that_has_stopped_runs() -> None:
    """The loop stops the answer itself only where the supervisor has found no run to stop."""
    async with chatting() as chat:
        await chat.enter("Hello")
        chat.repl.on_interrupt(1)
        assert "stop" not in chat.conversation.calls
        chat.repl.on_interrupt(0)
        assert "stop" in chat.conversation.calls


async def test_ctrl_c_at_the_prompt_clears_hints_and_leaves() -> None:
    """The line first; then the hint; the third one leaves, without an answer to stop."""
    async with chatting() as chat:
        chat.ui.typed = "half a"
        chat.repl.on_interrupt(0)
        assert (chat.ui.typed, chat.ui.hint) == ("", "")
        chat.repl.on_interrupt(0)
        assert chat.ui.hint == "Press Ctrl-C again within 2 s, or Ctrl-D, to leave"
        chat.repl.on_interrupt(0)
        await settle()
        assert chat.ui._closed.is_set()
    assert chat.conversation.calls == ["open", "close"]


async def test_ctrl_c_does_not_leave_where_an_answer_was_just_stopped() -> None:
    """Two presses after Esc has stopped an answer were meant for it, or are an accident."""
    async with chatting() as chat:
        await chat.enter("Hello")
        chat.ui.keys.on_escape()
        await settle()
        chat.repl.on_interrupt(0)
        chat.repl.on_interrupt(0)
        await settle()
        assert not chat.ui._closed.is_set()


async def test_leaving_stops_the_answer_first() -> None:
    """Ctrl-D while it answers stops the answer, and leaves once that has ended."""
    async with chatting() as chat:
        await chat.enter("Hello")
        chat.ui.keys.on_end()
        await settle()
        assert chat.ui._closed.is_set()
    assert chat.conversation.calls == ["open", "Hello", "stop", "close"]
    assert chat.ui.printed == "Stopped\n"


@pytest.mark.parametrize("how", ["Ctrl-C", "Esc", "Ctrl-D"])
async def test_a_command_that_hangs_is_stopped(how: str) -> None:
    """Each key that stops an answer stops a command as well; only Ctrl-D leaves."""
    async with chatting() as chat:
        await chat.enter("/reset")
        if how == "Ctrl-C":
            chat.repl.on_interrupt(0)
        elif how == "Esc":
            chat.ui.keys.on_escape()
        else:
            chat.ui.keys.on_end()
        await settle()
        assert chat.conversation.calls[:3] == ["open", "/reset", "stop"]
        assert chat.ui._closed.is_set() is (how == "Ctrl-D")
    assert chat.ui.printed == "did /reset\n"


async def test_lines_typed_before_the_answer_come_back_after_a_stop() -> None:
    """What was typed while the team was made does not go in behind an answer that was stopped."""
    async with chatting(opens=False) as chat:
        for line in ("Hello", "//more", "/undo"):
            await chat.enter(line)
        chat.conversation.may_open.set()
        await settle()
        chat.ui.keys.on_escape()
        await settle()
    assert chat.conversation.calls == ["open", "Hello", "stop", "close"]
    assert chat.ui.remembered == ["//more\n/undo"]


async def test_words_come_back_as_they_are_typed() -> None:
    """Words that begin with a slash come back with two, or else they would be a command."""
    async with chatting() as chat:
        await chat.enter("//undo")
        chat.conversation.end("Stopped", "/undo")
        await settle()
    assert chat.ui.remembered == ["//undo"]


async def test_it_is_over_when_the_program_is_to_stop() -> None:
    """After an answer that a stop of the whole program has ended there is no prompt."""
    async with chatting() as chat:
        await chat.enter("Hello")
        chat.is_over = True
        chat.conversation.end("Stopped.")
        await settle()
        assert chat.ui._closed.is_set()
    assert chat.ui.printed == "Stopped.\n"  # and not how to go on


async def test_a_target_that_is_slow_to_make_can_be_left() -> None:
    """Ctrl-C twice, or Ctrl-D, leaves while the team is still being made."""
    async with chatting(opens=False) as chat:
        chat.repl.on_interrupt(0)
        chat.repl.on_interrupt(0)
        await settle()
        assert chat.ui._closed.is_set()
    assert chat.conversation.calls == ["open", "close"]


async def test_a_terminal_that_has_gone_ends_the_chat() -> None:
    """Where the user interface has ended by itself there is nobody to wait for."""
    async with chatting() as chat:
        chat.ui.close()
        await settle()
    assert chat.conversation.calls == ["open", "close"]


async def test_a_target_whose_making_is_interrupted_is_an_error() -> None:
    """Where Ctrl-C has interrupted code that blocked the loop, the chat ends and says so."""
    chat = Chat()
    task = asyncio.create_task(chat.repl.run())
    await settle()
    chat.conversation.opening_task.cancel()
    with pytest.raises(CommandError, match="interrupted"):
        await task
    assert chat.conversation.calls == ["open", "close"]


@pytest.mark.parametrize("line", ["/exit", "/QUIT"])
async def test_exit_leaves(line: str) -> None:
    """The command leaves as Ctrl-D does, also while it answers."""
    async with chatting() as chat:
        await chat.enter("Hello")
        await chat.enter(line)
        assert chat.ui._closed.is_set()
    assert chat.conversation.calls == ["open", "Hello", "stop", "close"]


async def test_the_word_exit_alone_is_not_sent() -> None:
    """It says how to leave instead; as an answer to a question it counts."""
    async with chatting() as chat:
        await chat.enter("exit")
        assert "Ctrl-D or /exit leaves" in chat.ui.printed
        await chat.enter("Hello")
        asked = asyncio.ensure_future(chat.conversation.ask("Go on?"))
        await settle()
        await chat.enter("exit")
        assert await asked == "exit"
        chat.conversation.end()
    assert chat.conversation.calls == ["open", "Hello", "close"]


async def test_a_second_answer_to_a_question_is_nothing() -> None:
    """Lines that come before the first was taken go nowhere."""
    async with chatting() as chat:
        await chat.enter("Hello")
        asked = asyncio.ensure_future(chat.conversation.ask("Go on?"))
        await settle()
        for line in ("yes", "no"):
            chat.ui.keys.on_line(line)
        assert await asked == "yes"
        chat.conversation.end()


async def test_a_hint_that_was_replaced_is_not_dropped_too_soon() -> None:
    """Each hint has its own time."""
    async with chatting() as chat:
        chat.repl.on_interrupt(0)
        assert chat.ui.hint
        chat.repl._drop_hint("an older one")
        assert chat.ui.hint


async def test_a_hint_is_dropped_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line below the prompt is empty then."""
    monkeypatch.setattr(repl, "SECONDS", 0.0)
    async with chatting() as chat:
        chat.repl.on_interrupt(0)
        assert chat.ui.hint
        async with asyncio.timeout(10):
            while chat.ui.hint:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0)


async def test_a_chat_that_is_cancelled_as_it_opens() -> None:
    """Where the program is ended, the cancellation goes through."""
    chat = Chat()
    task = asyncio.create_task(chat.repl.run())
    await settle()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert chat.conversation.calls == ["open", "close"]


def test_a_store_of_chat_that_is_none_is_one_line() -> None:
    """The command line is told what a store is."""
    command = read(["team.py:team", "--checkpoints", "mysql://host/db"])
    with pytest.raises(CommandError, match="sqlite:///"):
        _sessions(command)

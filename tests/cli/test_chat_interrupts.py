"""Ctrl-C and Esc in a chat at a real terminal, in each of its states."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.chats import ANSWER, APART, LOOPS, PROMPT, QUEUE, RESUME, Chat, chat
from tests.cli.terminal import CTRL_C, CTRL_D, ESC, UP
from tests.process.harness import MARGIN, Server

pytestmark = pytest.mark.process

HINT = "Press Ctrl-C again within 2 s, or Ctrl-D, to leave"


def at_prompt(_: Chat) -> None:
    """Leave the line empty."""


def typing(it: Chat) -> None:
    """Type into the line."""
    it.press("half a")
    it.wait_for_prompt("> half a")


def waiting(it: Chat) -> None:
    """Have an agent wait for its model."""
    it.say("Hello")
    it.child.until("busy")


def typing_ahead(it: Chat) -> None:
    """Have an agent wait for its model, and type into the line."""
    waiting(it)
    it.press("half a")
    it.wait_for_prompt("queue> half a")


STAGES: list[tuple[Callable[[Chat], None], list[str]]] = [
    (at_prompt, [PROMPT]),
    (typing, [PROMPT, PROMPT]),
    (waiting, [PROMPT, PROMPT]),
    (typing_ahead, ["> half a", PROMPT]),
]


@pytest.mark.parametrize("loop", [pytest.param("asyncio", marks=pytest.mark.soak), "uvloop"])
@pytest.mark.parametrize(("stage", "prompts"), STAGES, ids=lambda it: getattr(it, "__name__", ""))
def test_each_press_does_what_its_moment_asks_for(
    server: Server, tmp_path: Path, stage: Callable[[Chat], None], prompts: list[str], loop: str
) -> None:
    """Ctrl-C stops or clears, then says how to leave, and leaves only after that."""
    with chat(server, tmp_path, "waiter", "--loop", loop) as it:
        it.wait_for_prompt(PROMPT)
        stage(it)
        for prompt in prompts:
            it.press(CTRL_C)
            it.wait_for_prompt(prompt)
            it.pause(APART)
        it.say("now")
        it.wait_for("1 heard")
        it.wait_for_prompt(PROMPT)
        if stage in (waiting, typing_ahead):  # so soon after an answer was stopped no Ctrl-C leaves
            it.press(CTRL_D)
        else:
            it.press(CTRL_C)
            it.wait_for(HINT)
            it.pause(APART)
            it.press(CTRL_C)
        assert it.has_ended() == 0
        assert RESUME in it.text


@pytest.mark.parametrize("presses", [1, 2])
@pytest.mark.parametrize("loop", LOOPS)
def test_a_blocked_loop_is_interrupted(
    server: Server, tmp_path: Path, loop: str, presses: int
) -> None:
    """Ctrl-C is heard while a tool sleeps; what was typed before it is not lost."""
    with chat(server, tmp_path, "sleeper", "--loop", loop) as it:
        it.wait_for_prompt(PROMPT)
        it.say("Hello")
        it.child.until("busy")
        it.press("typed")
        for _ in range(presses):
            it.press(CTRL_C)
            it.pause(0.1)
        it.wait_for_prompt("> typed")
        assert "slept" not in it.text
        assert "which blocked the event loop" in it.text.replace("\n", "")


@pytest.mark.parametrize("count", [5, pytest.param(50, marks=pytest.mark.soak)])
def test_interrupts_in_a_row_leave_the_context_right(
    server: Server, tmp_path: Path, count: int
) -> None:
    """Nothing of what was stopped is in what the agent has heard, and each prompt is soon back."""
    with chat(server, tmp_path, "waiter") as it:
        it.wait_for_prompt(PROMPT)
        for number in range(count):
            it.say(f"number {number}")
            it.child.until("busy")
            it.pause(APART)
            pressed = time.monotonic()
            it.press(CTRL_C)
            it.wait_for_prompt(PROMPT)
            assert time.monotonic() - pressed < MARGIN
        it.press(UP)
        it.wait_for_prompt(f"> number {count - 1}")
        it.pause(APART)
        it.press(CTRL_C)
        it.wait_for_prompt(PROMPT)
        it.say("now")
        it.wait_for("1 heard")


def test_escape_stops_and_a_sequence_or_a_paste_does_not(server: Server, tmp_path: Path) -> None:
    """While it answers, arrows, Alt with a letter and a paste with an Esc in it edit the line."""
    with chat(server, tmp_path, "talker") as it:
        it.wait_for_prompt(PROMPT)
        it.say("Hello")
        it.child.until("busy")
        it.press(UP)
        it.wait_for_prompt("queue> Hello")
        it.press("\x1bbX")  # a word back
        it.wait_for_prompt("queue> XHello")
        it.press("\x05\x1b[200~ one\n\x1btwo\x1b[201~")
        it.wait_until(lambda: it.prompt.endswith("two"))
        assert "queue> XHello one" in it.lines
        it.say("")
        it.wait_for("1 queued")
        it.press(ESC)
        it.wait_for_prompt(PROMPT)
        it.press(UP)  # the queued words came back, as one message
        it.wait_until(lambda: it.prompt.endswith("two"))


def test_a_question_is_stopped_as_an_answer_is(server: Server, tmp_path: Path) -> None:
    """Ctrl-C takes an open question back with the exchange, and the next one is asked again."""
    with chat(server, tmp_path, "asker") as it:
        it.wait_for_prompt(PROMPT)
        it.say("Hello")
        it.wait_for_prompt(ANSWER)
        it.press(CTRL_C)
        it.wait_for_prompt(PROMPT)
        it.say("Again")
        it.wait_for_prompt(ANSWER)
        it.say("I agree")
        it.wait_for("2: I agree")


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("state", [PROMPT, QUEUE])
def test_other_signals_end_the_program(
    server: Server, tmp_path: Path, loop: str, number: signal.Signals, state: str
) -> None:
    """SIGTERM and SIGHUP end it by that signal, in order, with the line that resumes."""
    with chat(server, tmp_path, "waiter", "--loop", loop, "--drain", "0") as it:
        found = it.modes()
        it.wait_for_prompt(PROMPT)
        if state == QUEUE:
            waiting(it)
            it.wait_for_prompt(QUEUE)
        it.child.signal(number)
        assert it.has_ended() == -number
        assert RESUME in it.text
        assert it.modes() == found


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("milliseconds", [0, 20, 50])
@pytest.mark.parametrize("keys", ["Hello\r", CTRL_D])
def test_a_signal_just_after_a_line_is_heard(
    server: Server, tmp_path: Path, loop: str, milliseconds: int, keys: str
) -> None:
    """SIGTERM within 50 ms after Enter, or after the editor has ended, is not lost."""
    with chat(server, tmp_path, "waiter", "--loop", loop, "--drain", "0") as it:
        it.wait_for_prompt(PROMPT)
        it.press(keys)
        it.pause(milliseconds / 1000)
        it.child.signal(signal.SIGTERM)
        status = it.has_ended()
        assert status == -signal.SIGTERM or (keys == CTRL_D and status == 0)
        assert RESUME in it.text


def test_a_target_that_refuses_to_stop_does_not_keep_the_chat(
    server: Server, tmp_path: Path
) -> None:
    """Ctrl-D leaves a target that was built anew, and says what refuses."""
    with chat(server, tmp_path, "mule", "--grace", "0.6") as it:
        it.wait_for_prompt(PROMPT)
        it.say("go")
        it.child.until("busy")
        it.press(CTRL_C)
        it.wait_for("The target refused to stop; it was built anew")
        it.wait_for_prompt(PROMPT)
        it.press(CTRL_D)
        assert it.has_ended() == 137
        assert RESUME in it.text
        assert "The chat has ended; something refused to stop" in it.text


def test_a_command_that_blocks_the_loop_is_interrupted(server: Server, tmp_path: Path) -> None:
    """Ctrl-C ends a blocking reset, and neither the chat nor what was said."""
    with chat(server, tmp_path, "forgetful") as it:
        it.wait_for_prompt(PROMPT)
        it.say("Hello")
        it.wait_for("One")
        it.wait_for_prompt(PROMPT)
        it.say("/reset")
        it.child.until("busy")
        it.press(CTRL_C)
        it.wait_for("It is not reset")
        it.say("/undo")
        it.wait_for("0 messages are left")

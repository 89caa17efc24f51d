"""A chat and its terminal: what is typed and shown, and that it is given back."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.cli.chats import ANSWER, LOOPS, PROMPT, QUEUE, RESUME, chat
from tests.cli.terminal import CTRL_C, CTRL_D, UP
from tests.process.harness import Server

pytestmark = pytest.mark.process


def test_typed_ahead_words_go_in_at_a_boundary(server: Server, tmp_path: Path) -> None:
    """What is typed while it answers is queued; an empty line lets it in after the turn."""
    with chat(server, tmp_path, "two") as it:
        it.wait_for_prompt(PROMPT)
        it.say("Hello")
        it.child.until("turn")
        it.say("Wait")
        it.wait_for("1 queued")
        it.say("")
        it.child.until("turn")
        it.wait_for("bob: Wait")
        assert "bob: Hello" not in it.text


def test_a_question_is_asked_at_the_prompt(server: Server, tmp_path: Path) -> None:
    """A UserProxyAgent's question is answered by the next line, and the answer is no command."""
    with chat(server, tmp_path, "asker") as it:
        it.wait_for_prompt(PROMPT)
        it.say("Hello")
        it.wait_for_prompt(ANSWER)
        it.say("I agree")
        it.wait_for("2: I agree")
        it.wait_for_prompt(PROMPT)


def test_a_session_goes_on_after_every_end(server: Server, tmp_path: Path) -> None:
    """The line that resumes works after a forced end too, and the history is still there."""
    with chat(server, tmp_path, "echo") as it:
        it.wait_for_prompt(PROMPT)
        it.say("one")
        it.wait_for("1: one")
        it.child.signal(signal.SIGTERM)
        assert it.has_ended() == -signal.SIGTERM
    name = resumed(it.text)
    with chat(server, tmp_path, "echo", "-r", name) as it:
        it.wait_for_prompt(PROMPT)
        it.press(UP)
        it.wait_for_prompt("> one")
        it.press("\x15")  # Ctrl-U
        it.say("two")
        it.wait_for("3: two")
        it.press(CTRL_D)
        assert it.has_ended() == 0
    assert resumed(it.text) == name


def resumed(text: str) -> str:
    """Return the name of the session from the line that resumes it."""
    found = re.search(r"-r (\S+)", text[text.index(RESUME) :].replace("\n", ""))
    assert found is not None
    return found.group(1)


def test_a_forced_end_gives_the_terminal_back_and_says_how_to_resume(
    server: Server, tmp_path: Path
) -> None:
    """Ctrl-C does not end a process whose tool cannot be interrupted; SIGTERM does, with 137."""
    options = ("--drain", "0", "--cancel", "0.2", "--abandon", "0.2")
    with chat(server, tmp_path, "keeper", *options) as it:
        found = it.modes()
        it.wait_for_prompt(PROMPT)
        it.say("Hello")
        it.child.until("busy")
        it.press(CTRL_C)
        it.pause(1.0)
        it.child.signal(signal.SIGTERM)
        assert it.has_ended() == 137
        assert it.modes() == found
        assert it.is_cursor_shown
        assert RESUME in it.text
        assert it.raw.rindex("\x1b[?2004l") > it.raw.rindex("\x1b[?2004h")


@pytest.mark.parametrize("state", [PROMPT, QUEUE])
def test_a_killed_chat_gives_the_terminal_back(server: Server, tmp_path: Path, state: str) -> None:
    """After SIGKILL the terminal's modes are those from before, and the cursor is shown."""
    with chat(server, tmp_path, "waiter") as it:
        found = it.modes()
        it.wait_for_prompt(PROMPT)
        if state == QUEUE:
            it.say("Hello")
            it.wait_for_prompt(QUEUE)
        assert it.modes() != found
        it.child.signal(signal.SIGKILL)
        assert it.has_ended() == -signal.SIGKILL
        it.wait_for_modes(found)  # by the guard
        assert RESUME in it.text
        assert it.is_cursor_shown


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("state", [PROMPT, QUEUE])
def test_a_closed_terminal_ends_the_chat(
    server: Server, tmp_path: Path, loop: str, state: str
) -> None:
    """When the window is closed the program ends, and is not left at work."""
    with chat(server, tmp_path, "waiter", "--loop", loop, "--drain", "0") as it:
        it.wait_for_prompt(PROMPT)
        if state == QUEUE:
            it.say("Hello")
            it.child.until("busy")
            it.wait_for_prompt(QUEUE)
        it.close()
        assert it.child.wait() in (0, -signal.SIGHUP)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_storm_of_resizes_leaves_the_prompt_usable(
    server: Server, tmp_path: Path, loop: str
) -> None:
    """Resizes in every state, while one types and it answers, lose no key and no signal."""
    with chat(server, tmp_path, "talker", "--loop", loop) as it:
        it.wait_for_prompt(PROMPT)
        for number in range(30):
            it.resize(40 + 7 * number % 60, 10 + number % 20)
            it.press("x")
            it.read()
        it.resize(80, 24)
        it.wait_until(lambda: it.prompt == "> " + "x" * 30)
        it.press("\r")
        it.child.until("busy")
        for number in range(30):
            it.resize(40 + 7 * number % 60, 10 + number % 20)
            it.read(0.01)
        it.resize(80, 24)
        it.press(CTRL_C)
        it.wait_for_prompt(PROMPT)
        it.child.signal(signal.SIGTERM)
        assert it.has_ended() == -signal.SIGTERM


def test_wide_characters_and_long_lines_are_edited_and_sent(server: Server, tmp_path: Path) -> None:
    """A line that is longer than the terminal is wide, and CJK text, arrive as they were typed."""
    with chat(server, tmp_path, "echo", columns=20) as it:
        it.wait_for_prompt(PROMPT)
        it.press("漢字かな" * 8 + "\x7f")
        it.wait_until(lambda: it.prompt.endswith("か"))
        it.press("\r")
        said = "1: " + ("漢字かな" * 8)[:-1]
        it.wait_until(lambda: said in it.text.replace("\n", ""))
        it.wait_for_prompt(PROMPT)


def test_a_paste_of_several_lines_is_one_message(server: Server, tmp_path: Path) -> None:
    """Line ends in a paste are part of the message."""
    with chat(server, tmp_path, "echo") as it:
        it.wait_for_prompt(PROMPT)
        it.press("\x1b[200~one\r\ntwo\rthree\x1b[201~")
        it.wait_until(lambda: it.prompt == "three")
        it.press("\r")
        it.wait_for("1: one\ntwo\nthree")


def test_a_large_paste_is_one_message(server: Server, tmp_path: Path) -> None:
    """A paste that is larger than what is read at once arrives whole."""
    with chat(server, tmp_path, "measurer") as it:
        it.wait_for_prompt(PROMPT)
        for part in ("\x1b[200~", *["a line of a log\n"] * 2000, "end\x1b[201~"):
            it.press(part)
            it.read()
        it.wait_until(lambda: it.prompt == "end")
        it.press("\r")
        it.wait_for(f"{16 * 2000 + 3} characters")


def test_what_a_tool_prints_goes_above_the_prompt(server: Server, tmp_path: Path) -> None:
    """What is printed and logged has lines of its own, and the prompt stays."""
    with chat(server, tmp_path, "printer") as it:
        it.wait_for_prompt(PROMPT)
        it.say("Hello")
        it.wait_for("done")
        it.wait_for_prompt(PROMPT)
        assert "printed by a tool" in it.lines
        assert "logged by a tool" in it.lines


def test_a_terminal_that_cannot_move_the_cursor_has_a_plain_chat(
    server: Server, tmp_path: Path
) -> None:
    """With TERM=dumb there are no escape sequences, and Ctrl-C works as elsewhere."""
    with chat(server, tmp_path, "waiter", environ={"TERM": "dumb"}) as it:
        it.wait_for_prompt(PROMPT)
        it.press("Hello\n")
        it.child.until("busy")
        it.press(CTRL_C)
        it.wait_for(">", count=2)
        it.press("now\n")
        it.wait_for("1 heard")
        it.press(CTRL_D)
        assert it.has_ended() == 0
        assert RESUME in it.text
        assert "\x1b" not in it.raw


def test_queued_words_do_not_break_the_answer(server: Server, tmp_path: Path) -> None:
    """They are counted below it, and a stop says where they are."""
    with chat(server, tmp_path, "waiter") as it:
        it.wait_for_prompt(PROMPT)
        it.say("Hello")
        it.child.until("busy")
        it.say("and this")
        it.wait_for("1 queued")
        it.press(CTRL_C)
        it.wait_for("What was queued is not sent; Up has it.")
        assert "and this" not in it.text
        it.press(UP)
        it.wait_for("and this")


def test_the_first_line_says_who_answers_and_how_to_leave(server: Server, tmp_path: Path) -> None:
    """What was shown while the target was loaded is erased again."""
    with chat(server, tmp_path, "asker") as it:
        it.wait_for_prompt(PROMPT)
        who = "tests.cli.teams:asker (person, echo)"
        assert it.lines[0] == f"{who}. /help shows the commands, Ctrl-D leaves."


def test_a_question_and_its_answer_are_shown_once(server: Server, tmp_path: Path) -> None:
    """The message of a `UserProxyAgent` is what was typed at its prompt, and not shown again."""
    with chat(server, tmp_path, "asker") as it:
        it.wait_for_prompt(PROMPT)
        it.say("Hello")
        it.wait_for_prompt(ANSWER)
        it.say("blue")
        it.wait_for("2: blue")
        it.wait_for_prompt(PROMPT)
        said = [line for line in it.lines if line.startswith("person") or "blue" in line]
        assert said == ["person: Enter your response:", "answer> blue", "2: blue"]


def test_input_is_refused_with_a_reason(server: Server, tmp_path: Path) -> None:
    """Code that calls `input()` fails with what to do instead, and the prompt stays right."""
    with chat(server, tmp_path, "inputter") as it:
        it.wait_for_prompt(PROMPT)
        it.say("Hello")
        it.wait_for("input() does not work under chat")
        it.wait_for_prompt(PROMPT)
        assert "Your name?" not in it.text

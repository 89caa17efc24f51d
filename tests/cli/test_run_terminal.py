"""What a person sees of `run`, at a real pseudo-terminal, and what goes into a pipe."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import termios
from collections.abc import Generator, Mapping
from functools import partial

import pytest

from tests.cli import speakers
from tests.cli.terminal import CTRL_C, Terminal
from tests.process.harness import Child, Server

pytestmark = pytest.mark.process

STATUS = re.compile(r"\x1b7.*?\x1b8", re.DOTALL)
CSI = re.compile(r"\x1b(?:\[[\d;?]*[A-Za-z]|D)")
XTERM = {"TERM": "xterm-256color"}
NO_HURRY = ("--cancel", "60", "--abandon", "60")


class View(Terminal):
    """Somebody who looks at a run."""

    child: Child

    @property
    def plain(self) -> str:
        """All that was written, without escape sequences and status lines."""
        return CSI.sub("", STATUS.sub("", self.raw)).replace("\r", "")

    def shows(self, pattern: re.Pattern[str]) -> bool:
        """Return whether something like this can be seen."""
        return bool(pattern.search(self.text))

    def ended(self) -> int:
        """Read until the run has ended; return its exit code, or minus the signal."""
        while not self.child.has_ended(0.0):
            self.read(0.05)
        self.read_all()
        return self.child.wait()

    @property
    def cursor_column(self) -> int:
        """Where in its line the cursor is."""
        return self._screen.cursor.x


@contextlib.contextmanager
def running(
    server: Server,
    agent: str,
    *options: str,
    columns: int = 80,
    rows: int = 24,
    environ: Mapping[str, str] = XTERM,
) -> Generator[View]:
    """Run an agent of `speakers.py` at a terminal."""
    with View(columns=columns, rows=rows) as view:
        theirs = view.theirs
        words = ["run", *options, f"tests.cli.speakers:{agent}", "Speak"]
        with server.start(
            "command_line", stdin=theirs, stdout=theirs, stderr=theirs, words=words, environ=environ
        ) as child:
            view.child = child
            yield view


def test_ctrl_c_within_a_sentence_leaves_the_screen_right(server: Server) -> None:
    """The sentence stands as far as it came, the result below it, and then the shell's line."""
    with running(server, "poet") as view:
        modes = view.modes()
        view.child.until("busy")
        view.wait_for("To be, or not")
        view.wait_for("poet · ")
        view.press(CTRL_C)
        assert view.ended() == -signal.SIGINT
        *lines, last = view.lines
        assert lines == ["user", "Speak", "poet", "To be, or not^C"]
        assert re.fullmatch(r"Stopped by SIGINT; 1 message kept, \d+\.\d s", last)
        assert view.cursor_column == 0
        assert view.is_cursor_shown
        assert view.modes() == modes


def test_the_status_line_tells_each_rung_until_the_end(server: Server) -> None:
    """What the stop does, its countdown, and what Ctrl-C does next; each said in one place."""
    with running(server, "refuser", *NO_HURRY) as view:
        view.child.until("busy")
        view.wait_for("refuser · ")
        for doing, further in (("cancelling", "abandon it"), ("abandoning", "end the process")):
            view.press(CTRL_C)
            # The next press is no duplicate of this one once some time has passed.
            said = re.compile(rf"SIGINT: {doing} 'refuser' \(5\d\.[0-5] s left\)")
            view.wait_until(partial(view.shows, said), doing)
            assert view.lines[-1].endswith(f"Ctrl-C to {further}.")
            assert view.text.count("SIGINT:") == 1
        view.press(CTRL_C)
        assert view.ended() == 137
        assert "SIGINT:" not in view.text
        assert "something refused to stop, ending the process" in view.text
        assert view.cursor_column == 0


def test_the_status_line_changes_while_the_loop_is_blocked(server: Server) -> None:
    """Where Python computes in the loop, the rung is shown all the same, and counts down."""
    with running(server, "keeper", *NO_HURRY) as view:
        view.child.until("busy")
        view.press(CTRL_C)
        view.wait_for("cancelling 'keeper' (59.")
        view.wait_for("cancelling 'keeper' (58.")


@pytest.mark.parametrize("columns", [20, 33])
def test_a_narrow_terminal_shows_all_words(server: Server, columns: int) -> None:
    """The words of a stop take several lines; the sentence above stays as it was."""
    with running(server, "refuser", *NO_HURRY, columns=columns) as view:
        view.child.until("busy")
        view.wait_for("I refuse")
        view.press(CTRL_C)
        view.wait_until(lambda: view.lines[-1].endswith("it."))
        said = " ".join(view.lines)
        assert re.search(
            r"I refuse\^C SIGINT: cancelling 'refuser' \(\d+\.\d s left\)\. Ctrl-C to abandon it\.",
            said,
        )


def test_a_storm_of_resizes_loses_no_word(server: Server) -> None:
    """In whatever widths, each word is written once, in order, and the run ends in order."""
    rng = random.Random(7)
    with running(server, "talker") as view:
        while not view.child.has_ended(0.0):
            view.resize(rng.randint(20, 120), rng.randint(3, 40))
            view.child.signal(signal.SIGWINCH)
            view.read(0.01)
        assert view.ended() == 0
        words = re.findall(r"\bw\d+", view.plain)
        assert words == [f"w{number}" for number in range(speakers.WORDS)]


@pytest.mark.parametrize("columns", [21, 40])
def test_wide_characters_are_neither_lost_nor_doubled(server: Server, columns: int) -> None:
    """Text of two cells a character, in pieces, with a status line redrawn below it."""
    with running(server, "writer", columns=columns) as view:
        assert view.ended() == 0
        assert speakers.CJK in view.plain.replace("\n", "")
        shown = "".join(line for line in view.lines if line[0] > "\u2fff")
        assert "".join(shown.split()) == speakers.CJK


def test_an_agent_cannot_control_the_terminal(server: Server) -> None:
    """Escape sequences of a model are shown as text, also when they come in pieces."""
    with running(server, "attacker") as view:
        assert view.ended() == 0
        assert view.lines[:4] == ["user", "Speak", "attacker", view.lines[3]]
        assert view.lines[3].startswith("before␛[2J␛[H␛]0;owned␇␛[?1049h")
        assert "\x1b[2J" not in view.raw
        assert "\x1b]" not in view.raw
        assert view.is_cursor_shown


def test_what_tools_print_stands_between_the_sentences(server: Server) -> None:
    """Each print has a line of its own; the tool call is folded, and named while it lasts."""
    with running(server, "tooler") as view:
        view.child.until("busy")
        view.wait_for("tooler calls search · ")
        assert view.ended() == 0
        said = view.lines
        for line in ("Let me see:", "printed by a tool", "complained by a tool"):
            assert line in said
        assert any(line.endswith("printed by a child") for line in said)
        assert any(re.fullmatch(r'⚙ search\(query="cats"\) 1\.\d s', line) for line in said)
        assert said[-2] == "done"
        assert "calls search" not in "\n".join(said)


def test_a_stopped_terminal_does_not_delay_the_end(server: Server) -> None:
    """After Ctrl-S nothing is written any more, and a signal ends the run in time all the same."""
    with running(server, "flood") as view:
        view.wait_for("line 1 ")
        termios.tcflow(view.theirs or 0, termios.TCOOFF)
        view.child.signal(signal.SIGINT)
        assert view.child.wait() == -signal.SIGINT


@pytest.mark.parametrize(
    ("environ", "has_color", "has_status"),
    [
        (XTERM, True, True),
        ({**XTERM, "NO_COLOR": "1"}, False, True),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colors_and_status_are_the_users_choice(
    server: Server, environ: dict[str, str], has_color: bool, has_status: bool
) -> None:
    """NO_COLOR, FORCE_COLOR and TERM=dumb say what may be written to a terminal."""
    with running(server, "poet", environ=environ) as view:
        view.child.until("busy")
        view.wait_for("or not")
        if has_status:
            view.wait_for("poet · ")
        view.press(CTRL_C)
        assert view.ended() == -signal.SIGINT
        assert bool(re.search(r"\x1b\[[\d;]+m", view.raw)) is has_color
        assert ("\x1b7" in view.raw) is has_status
        assert ("\x1b" in view.raw) is (has_color or has_status)


def test_a_pipe_gets_plain_lines_as_they_end(server: Server) -> None:
    """A line is there before the run has ended; no escape sequence, no status line."""
    reader, writer = os.pipe()
    words = ["run", "tests.cli.speakers:talker", "Speak"]
    with (
        os.fdopen(reader, encoding="utf-8") as lines,
        server.start("command_line", stdout=writer, words=words, environ=XTERM) as child,
    ):
        os.close(writer)
        first = [next(lines) for _ in range(4)]
        child.until("busy")
        rest = lines.read()
        assert child.wait() == 0
        assert child.stderr == ""
    assert first == ["user\n", "Speak\n", "\n", "talker\n"]
    assert "\x1b" not in rest
    assert re.findall(r"w\d+", rest) == [f"w{number}" for number in range(speakers.WORDS)]
    assert re.fullmatch(r"Finished; 2 messages and events, \d+\.\d s", rest.splitlines()[-1])


@pytest.mark.soak
@pytest.mark.parametrize("place", range(5, speakers.WORDS - 20, 5))
def test_ctrl_c_at_any_word_leaves_the_screen_right(server: Server, place: int) -> None:
    """Whenever it comes: the words so far, once and in order; the result; the shell's line."""
    with running(server, "rambler", columns=20 + place % 60) as view:
        view.wait_until(lambda: f"w{place} " in view.plain)
        view.press(CTRL_C)
        assert view.ended() == -signal.SIGINT
        words = re.findall(r"\bw\d+", view.plain.partition("\ntalker\n")[2])
        assert words == [f"w{number}" for number in range(len(words))]
        assert len(words) > place
        assert "Stopped by SIGINT; " in " ".join(view.lines[-3:])
        assert view.cursor_column == 0
        assert view.is_cursor_shown

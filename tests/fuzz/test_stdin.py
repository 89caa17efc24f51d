"""Whatever comes on stdin, a command ends, and what it prints is safe for a terminal."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.command_lines import CommandLines, Ended, check
from tests.fuzz.lengths import examples

pytestmark = pytest.mark.process

_TEAM = """
from autogen_agentchat.agents import UserProxyAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from supervisor.testing import ScriptedAgent

def team():
    async def echo(messages, *_):
        return messages[-1].content if messages else "nothing"
    return RoundRobinGroupChat([ScriptedAgent("echo", echo)], max_turns=1)

def asking():
    ending = MaxMessageTermination(3)
    return RoundRobinGroupChat([UserProxyAgent("user")], termination_condition=ending)
"""
_LINES = (
    st.sampled_from([
        b"", b" ", b"/exit", b"/undo", b"/save", b"/save \x00", b"/save " + b"x" * 300,
        b"/load /dev/null",
        b"/load team.py", b"/load ~nobody-here/x", b"/state", b"/reset", b"//slash", b"/",
        b"/\x1b[2J",
        b"\x1b[2J\x1b]0;owned\x07", b"\xff\xfe", b"\r", b"a\rb", b"\x00", b"\x03", b"\x04", b"\x1a",
        b"\xe2\x80\xae", b"x" * 70000, b"\xed\xa0\x80", b"{", b'{"type": "x"}', b"\x9b2J",
    ])
    | st.binary(max_size=20)
    | st.text(max_size=8).map(lambda text: text.encode("utf-8", "surrogatepass"))
)  # fmt: skip
_STDIN = st.tuples(st.lists(_LINES, max_size=5), st.booleans()).map(
    lambda drawn: b"\n".join(drawn[0]) + b"\n" * drawn[1]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a team."""
    path = tmp_path_factory.mktemp("stdin")
    (path / "team.py").write_text(_TEAM)
    return path


def ran(lines: CommandLines, folder: Path, words: list[str], stdin: bytes) -> Ended:
    """Run a command line, and check how it ends."""
    environ = {"XDG_STATE_HOME": str(folder / "state"), "SUPERVISOR_GRACE": "5"}
    ended = lines.run(words, folder=folder, environ=environ, stdin=stdin)
    check(ended)
    return ended


def assert_is_safe(text: str) -> None:
    """Assert that a text cannot do anything to a terminal."""
    assert not re.findall("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


@examples(6, times=100)
@given(stdin=_STDIN)
def test_the_lines_of_a_chat(lines: CommandLines, folder: Path, stdin: bytes) -> None:
    """Each line is an exchange or a command, and what is shown of it cannot move the cursor."""
    ended = ran(lines, folder, ["chat", "team.py:team"], stdin)
    assert_is_safe(ended.out + ended.err)


@examples(6, times=100)
@given(stdin=_STDIN)
def test_a_task_on_stdin(lines: CommandLines, folder: Path, stdin: bytes) -> None:
    """A task is any text, and each line for a program is JSON."""
    words = ["run", "--output-format", "stream-json", "team.py:team", "-"]
    ended = ran(lines, folder, words, stdin)
    for line in ended.out.splitlines():
        json.loads(line)
    assert_is_safe(ended.out)


@examples(6, times=100)
@given(stdin=_STDIN)
def test_the_answers_of_a_user(lines: CommandLines, folder: Path, stdin: bytes) -> None:
    """An agent that asks its user gets each line as it is, and a run ends where there is none."""
    ended = ran(lines, folder, ["run", "team.py:asking", "Go"], stdin)
    assert_is_safe(ended.out + ended.err)

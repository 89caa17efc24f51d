"""Interactive interpreters in a terminal: Ctrl-C stops what runs, and the prompt comes back."""

from __future__ import annotations

import io
import os
import re
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

pexpect = pytest.importorskip("pexpect")

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform == "win32", reason="terminals"),
    pytest.mark.timeout(120),
]

_ROOT: Final = Path(__file__).parents[2]
_PATIENCE: Final = 30.0
_APART: Final = 0.35  # seconds between two presses that both count

_COMMANDS: Final = {
    "python -i": ["-i"],
    "python -m asyncio": ["-m", "asyncio"],
    "IPython": ["-m", "IPython", "--no-banner", "--colors=NoColor", "--no-confirm-exit"],
}

at_each_prompt = pytest.mark.parametrize("kind", list(_COMMANDS))


class Prompt:
    """An interpreter, and somebody who types there.

    Args:
        kind: Which.
        home: Where it may keep its history.
        grace: The `SUPERVISOR_GRACE` of its environment, if any.
    """

    def __init__(self, kind: str, home: Path, grace: str = "") -> None:
        self._by_hand = kind == "python -i"
        self._count = 0
        environ = {**os.environ, "HOME": str(home), "IPYTHONDIR": str(home), "TERM": "xterm"}
        environ["PROMPT_TOOLKIT_NO_CPR"] = "1"  # no terminal answers where the cursor is
        environ["SUPERVISOR_GRACE"] = grace
        self._child = pexpect.spawn(
            sys.executable,
            _COMMANDS[kind],
            cwd=str(_ROOT),
            env=environ,
            encoding="utf-8",
            timeout=_PATIENCE,
            dimensions=(50, 200),
        )
        self.shown = self._child.logfile_read = io.StringIO()
        self.type("from tests.hosts.at_prompt import *")
        self.type("import asyncio, signal; loop = asyncio.new_event_loop()")
        self.type("kept = 42")
        self.is_alive()

    def type(self, line: str) -> None:
        """Type a line."""
        self._child.sendline(line)

    def run(self, call: str) -> None:
        """Await something, and wait until it is at work."""
        self.type(f"loop.run_until_complete({call})" if self._by_hand else f"await {call}")
        self.see("is at work")

    def press(self, count: int, apart: float = _APART) -> None:
        """Press Ctrl-C so often."""
        for number in range(count):
            if number:
                time.sleep(apart)
            self._child.sendintr()

    def see(self, text: str) -> None:
        """Wait until it shows this."""
        self._child.expect(re.escape(text))

    def is_alive(self) -> None:
        """Check that there is a prompt, at which the variables are.

        A press that comes after the run's end is the prompt's, which discards what was typed.
        """
        self._count += 1
        shown = [re.escape(f"alive {self._count} 42"), pexpect.TIMEOUT]
        for _ in range(3):
            self.type(f"print('al' + 'ive', {self._count}, kept)")
            if self._child.expect(shown, timeout=_PATIENCE / 3) == 0:
                return
        pytest.fail(self.shown.getvalue())

    def close(self) -> None:
        """Close the terminal, and end the interpreter."""
        self._child.close(force=True)


@contextmanager
def _prompt(kind: str, home: Path, grace: str = "") -> Generator[Prompt]:
    if kind == "IPython":
        pytest.importorskip("IPython")
    prompt = Prompt(kind, home, grace)
    try:
        yield prompt
    finally:
        prompt.close()


@pytest.mark.parametrize(
    "kind",
    [it if it == "IPython" else pytest.param(it, marks=pytest.mark.soak) for it in _COMMANDS],
)
def test_ctrl_c_never_ends_an_interpreter(kind: str, tmp_path: Path) -> None:
    """Once, three and ten times, with what ends, what blocks the loop, and what refuses."""
    with _prompt(kind, tmp_path) as prompt:
        prompt.run("alone(Waits())")
        prompt.press(1)
        prompt.see("ended: Stopped by SIGINT")
        prompt.run("alone(Blocks())")
        prompt.press(3)
        prompt.see("ended: Stopped by SIGINT")
        prompt.is_alive()
        prompt.run("in_block(Refuses())")
        prompt.press(10, apart=0.05)
        prompt.see("ended: Quarantined")
        prompt.is_alive()
        prompt.type("print('handler', signal.getsignal(2), signal.set_wakeup_fd(-1))")
        prompt.see("handler <built-in function default_int_handler> -1")


@pytest.mark.soak
@at_each_prompt
@pytest.mark.parametrize("how", ["alone", "in_block"])
@pytest.mark.parametrize("agent", ["Waits", "Blocks", "Refuses"])
@pytest.mark.parametrize(("presses", "apart"), [(1, 0.0), (3, 0.35), (5, 0.35), (10, 0.05)])
def test_each_number_of_presses(
    kind: str, how: str, agent: str, presses: int, apart: float, tmp_path: Path
) -> None:
    """However often it is pressed, the interpreter is there with its variables."""
    with _prompt(kind, tmp_path) as prompt:
        prompt.run(f"{how}({agent}())")
        prompt.press(presses, apart)
        prompt.see("ended: " + ("Quarantined" if agent == "Refuses" else "Stopped by SIGINT"))
        prompt.is_alive()


@pytest.mark.soak
@at_each_prompt
@pytest.mark.parametrize("agent", ["Waits", "Blocks", "Refuses"])
def test_without_any_grace(kind: str, agent: str, tmp_path: Path) -> None:
    """With `SUPERVISOR_GRACE=0` runs are abandoned at once, and the interpreter lives."""
    with _prompt(kind, tmp_path, grace="0") as prompt:
        prompt.run(f"alone({agent}())")
        prompt.press(3, apart=0.05)
        prompt.see("ended: ")
        prompt.is_alive()


def test_the_end_of_a_loop_that_waits_is_ended_by_one_more(tmp_path: Path) -> None:
    """`asyncio.run` waits for what refuses; it is said that Ctrl-C ends that, and it does."""
    with _prompt("python -i", tmp_path) as prompt:
        prompt.type("asyncio.run(alone(Refuses()))")
        prompt.see("is at work")
        prompt.press(2)
        prompt.see("Ctrl-C does no more: it never ends this process")
        prompt.see("ended: Quarantined")
        prompt.press(1)
        prompt.see("KeyboardInterrupt")
        prompt.is_alive()
        assert "one more Ctrl-C ends that wait" in prompt.shown.getvalue()


def _pressed(prompt: Prompt, line: str) -> None:
    """Type a line that works for long, and press Ctrl-C once it does."""
    prompt.type(line)
    prompt.see("has begun")
    prompt.press(1)


@pytest.mark.parametrize("kind", ["python -m asyncio", "IPython"])
def test_a_block_over_several_inputs_is_interrupted_and_not_stopped(
    kind: str, tmp_path: Path
) -> None:
    """Ctrl-C ends a run; where there is none, the input, as ever; the block stays open."""
    with _prompt(kind, tmp_path) as prompt:
        prompt.type("sup = await Supervisor(ladder=LADDER).__aenter__()")
        for line in ("blocks()", "await waits()"):
            _pressed(prompt, line)
            prompt.see("KeyboardInterrupt")
            prompt.run("in_open_block(sup, Waits())")
            prompt.press(1)
            prompt.see("ended: Stopped by SIGINT")
            _pressed(prompt, line)
            prompt.see("KeyboardInterrupt")
        prompt.run("in_open_block(sup, Refuses())")
        prompt.press(2)
        prompt.see("ended: Quarantined")
        _pressed(prompt, "await waits()")
        prompt.see("KeyboardInterrupt")
        prompt.type("print('stop', sup.stop_request, sup.rung.name)")
        prompt.see("stop None RUNNING")
        prompt.type("await sup.__aexit__(None, None, None)")
        prompt.type("print('handler', signal.getsignal(2), signal.set_wakeup_fd(-1))")
        prompt.see("handler <built-in function default_int_handler>")
        assert "blocked" not in prompt.shown.getvalue()

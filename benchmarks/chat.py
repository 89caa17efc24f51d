"""From Ctrl-C to the usable prompt, in a chat at a real pseudo-terminal."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # the terminal is that of the tests

from tests.cli.chats import APART, LOOPS, PROMPT, Chat, chat
from tests.cli.terminal import CTRL_C
from tests.process.harness import Server

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 30


def seconds_to_prompt(it: Chat) -> float:
    """Stop an answer, and return the seconds until what is typed stands at the prompt."""
    it.say("Hello")
    it.child.until("busy")
    it.pause(APART)
    pressed = time.perf_counter()
    it.press(CTRL_C)
    it.wait_for_prompt(PROMPT)
    it.press("x")
    it.wait_for_prompt(f"{PROMPT} x")
    took = time.perf_counter() - pressed
    it.press("\x7f")
    it.wait_for_prompt(PROMPT)
    return took


def main() -> None:
    """Measure an agent that waits and one that streams, on both loops."""
    with Server() as server, tempfile.TemporaryDirectory() as folder:
        for team in ("waiter", "talker"):
            for loop in LOOPS:
                with chat(server, Path(folder), team, "--loop", loop) as it:
                    it.wait_for_prompt(PROMPT)
                    took = [seconds_to_prompt(it) for _ in range(ROUNDS)]
                median, most = statistics.median(took), max(took)
                what = f"Ctrl-C to the usable prompt, {team}, {loop}"
                print(f"RESULT {what}: median {median * 1e3:.0f} ms, most {most * 1e3:.0f} ms")


if __name__ == "__main__":
    main()

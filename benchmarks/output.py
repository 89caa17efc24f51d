"""What it costs the loop to show an event to a person: for a chunk, and for a message of 1 MB."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from autogen_agentchat.messages import ModelClientStreamingChunkEvent, TextMessage

from benchmarks._bench import milliseconds, result
from supervisor._cli.output.painter import Painter
from supervisor._cli.output.screen import Screen
from supervisor._cli.output.status_line import StatusLine
from supervisor._cli.output.transcript import Transcript

CHUNKS = 20_000
ROUNDS = 20
MEGABYTE = 1_000_000
LARGE = {
    "ASCII": "To be, or not to be. " * (MEGABYTE // 21),
    "one line, CJK": "日本語" * (MEGABYTE // 9),
    "escape sequences": "\x1b[2J" * (MEGABYTE // 4),
}


def shown_by(screen: Screen) -> Callable[[object], None]:
    """Return what shows an event, as `run` does."""
    transcript, status = Transcript(80, color=True), StatusLine()

    def show(event: object) -> None:
        status.event(event)
        screen.write(transcript.render(event))

    return show


def chunks(screen: Screen) -> float:
    """Return the processor seconds of the loop's thread for each chunk."""
    events = [
        ModelClientStreamingChunkEvent(
            source="poet", content=f"word {n}{' ' if n % 20 else chr(10)}"
        )
        for n in range(CHUNKS)
    ]
    show = shown_by(screen)
    began = time.thread_time()
    for event in events:
        show(event)
    return (time.thread_time() - began) / CHUNKS


def large(screen: Screen, text: str) -> list[float]:
    """Return the seconds that the loop's thread takes for a message of 1 MB."""
    took: list[float] = []
    show = shown_by(screen)
    for _ in range(ROUNDS):
        message = TextMessage(source="poet", content=text)
        began = time.thread_time()
        show(message)
        took.append(time.thread_time() - began)
        screen.flush(None)
    return took


def main() -> None:
    """Measure both, into a file that takes everything."""
    fd = os.open(os.devnull, os.O_WRONLY)
    screen = Screen(fd, Painter(lambda: (80, 24)), lambda: "poet · 1 s")
    result("to show a chunk", f"{chunks(screen) * 1e6:.1f} µs")
    for name, text in LARGE.items():
        result(f"to show 1 MB ({name})", milliseconds(large(screen, text)))


if __name__ == "__main__":
    main()

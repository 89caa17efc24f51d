"""What it costs the loop to show an event to a person, as the command `run` does.

The figure is the processor time of the loop's thread; what is written goes to a file that takes
everything, from a thread of its own.

Cases: `chunk` (20,000 chunks of a word; the figure is for one), and a message of 1 MB: `ascii`,
`cjk` (one line of wide characters), `escapes` (nothing but escape sequences, which are taken out).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Final

from autogen_agentchat.messages import ModelClientStreamingChunkEvent, TextMessage

from benchmarks._record import Record, record
from benchmarks._script import Effort, main
from supervisor._cli.output.painter import Painter
from supervisor._cli.output.screen import Screen
from supervisor._cli.output.status_line import StatusLine
from supervisor._cli.output.transcript import Transcript

CHUNKS: Final = 4_000
ROUNDS: Final = 20
CHUNK_ROUNDS: Final = 5
MEGABYTE: Final = 1_000_000
LARGE: Final = {
    "ascii": "To be, or not to be. " * (MEGABYTE // 21),
    "cjk": "日本語" * (MEGABYTE // 9),
    "escapes": "\x1b[2J" * (MEGABYTE // 4),
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


def large(screen: Screen, text: str, rounds: int) -> Iterator[float]:
    """Yield the seconds that the loop's thread takes for a message of 1 MB."""
    show = shown_by(screen)
    for _ in range(rounds):
        message = TextMessage(source="poet", content=text)
        began = time.thread_time()
        show(message)
        yield time.thread_time() - began
        screen.flush(None)


def measure(effort: Effort) -> Iterator[Record]:
    """Measure both."""
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123 - no file of ours
        screen = Screen(nothing.fileno(), Painter(lambda: (80, 24)), lambda: "poet · 1 s")
        of_a_chunk = [chunks(screen) for _ in range(effort.rounds(CHUNK_ROUNDS))]
        yield record(("output", "chunk", "supervised", ""), of_a_chunk)
        for name, text in LARGE.items():
            took = large(screen, text, effort.rounds(ROUNDS))
            yield record(("output", name, "supervised", ""), took)


if __name__ == "__main__":
    main(__name__, measure)

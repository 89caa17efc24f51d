"""Record Ctrl-C at a terminal, and draw what was recorded: `docs/images/ctrl-c.svg`.

    .venv/bin/python -m scripts.docs.terminal_figure

The first program of README.md runs under a shell in a pseudo-terminal. While the editor speaks, the
byte of Ctrl-C is written to the terminal, as a keyboard would. The picture has the characters of
the screen, each at the moment at which it came, and the time from Ctrl-C until the result was there
and until the prompt was back. Record on a machine that does nothing else.

The picture shows the end. After three seconds it shows once how it came to that, and then the end
again; so it is whole where nothing moves. It has no font, script or image of elsewhere. Not chosen:
a GIF, whose text cannot be read aloud; a picture of each frame, which is many times as large for a
text that only grows.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape, unescape

import pexpect
import pyte

from scripts.docs.fences import blocks_of
from scripts.project import ROOT

__all__ = ["PICTURE", "Recording", "draw", "main", "record"]

PICTURE: Final = ROOT / "docs" / "images" / "ctrl-c.svg"
COLUMNS: Final = 68
ROWS: Final = 11
LIMIT_SECONDS: Final = 60
PROMPT: Final = "$ "
INTERRUPT_AT: Final = "of some"
"""Words in the middle of the last sentence, after which Ctrl-C is pressed."""

_CELL: Final = 9.6  # pixels for a column
_LINE: Final = 22  # pixels for a row
_TOP: Final = 48
_LEFT: Final = 20
_STYLE: Final = """
svg { --paper: #16181d; --edge: #4b5263; --ink: #e6e8ee; --soft: #9aa1b2 }
svg { --key: #ffb454; --end: #8fd19e }
text { font: 16px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace }
text { fill: var(--ink); white-space: pre }
.title { fill: var(--soft); font-size: 14px }
.soft { fill: var(--soft) }
.key { fill: var(--key); font-weight: 700 }
.end { fill: var(--end); font-weight: 700 }
.at { animation: wait 0s step-end 3s }
@keyframes wait { from, to { opacity: 0 } }
@media (prefers-reduced-motion: reduce) { .at { animation: none } }
""".strip()


@dataclass
class Recording:
    """What the screen has shown, and when.

    Args:
        lines: The last screen, without empty lines at its end.
        times: For each of its characters, when it came, in seconds since the command was typed.
        interrupted: When Ctrl-C was pressed.
        ended: When the prompt was back.
    """

    lines: list[str] = field(default_factory=list[str])
    times: list[list[float]] = field(default_factory=list[list[float]])
    interrupted: float = 0.0
    ended: float = 0.0


def program() -> str:
    """Return the first program of README.md."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    return next(block.text for block in blocks_of(page) if block.language == "python")


def record() -> Recording:
    """Run the program in a pseudo-terminal, press Ctrl-C in its last sentence, and see it end.

    Raises:
        TimeoutError: A minute has passed, and the prompt is not back.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "app.py").write_text(program(), encoding="utf-8")
        environ = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PS1": PROMPT,
            "TERM": "dumb",
        }
        environ.pop("ENV", None)
        environ.pop("SUPERVISOR_GRACE", None)
        size = (ROWS, COLUMNS)
        shell: pexpect.spawn[str] = pexpect.spawn(
            "/bin/sh", ["-i"], cwd=folder, env=environ, dimensions=size, encoding="utf-8"
        )
        try:
            return _watch(shell)
        finally:
            shell.close(force=True)


def _watch(shell: pexpect.spawn[str]) -> Recording:
    screen, seen = pyte.Screen(COLUMNS, ROWS), Recording()
    stream = pyte.Stream(screen)
    begun: float | None = None
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        try:
            stream.feed(shell.read_nonblocking(4096, timeout=1))
        except pexpect.TIMEOUT:
            continue
        now = 0.0 if begun is None else time.monotonic() - begun
        _note(seen, screen.display, now)
        is_ready = bool(seen.lines) and seen.lines[-1] == PROMPT.strip()
        if begun is None and is_ready:
            begun = time.monotonic()
            shell.send("python app.py\n")
        elif not seen.interrupted and any(INTERRUPT_AT in line for line in seen.lines):
            seen.interrupted = now
            shell.send("\x03")
        elif seen.interrupted and is_ready:
            seen.ended = now
            return seen
    raise TimeoutError("\n".join(["the prompt is not back:", *screen.display]))


def _note(seen: Recording, display: list[str], now: float) -> None:
    """Keep when each character came that is on the screen."""
    lines = [line.rstrip() for line in display]
    while lines and not lines[-1]:
        lines.pop()
    before, seen.lines = seen.lines, lines
    times, seen.times = seen.times, []
    for row, line in enumerate(lines):
        old = before[row] if row < len(before) else ""
        seen.times.append(
            [
                times[row][column] if old[column : column + 1] == char else now
                for column, char in enumerate(line)
            ]
        )


def draw(seen: Recording) -> str:
    """Return the picture of a recording."""
    width = round(2 * _LEFT + COLUMNS * _CELL)
    height = _TOP + _LINE * (len(seen.lines) + 1) + 12
    size = f'width="{width}" height="{height}"'
    story = (
        "Ctrl-C in the middle of a team's sentence: the result is there, and the prompt is back."
    )
    result = next(times[0] for times in reversed(seen.times) if len(times) > len(PROMPT))
    to_result, to_prompt = result - seen.interrupted, seen.ended - seen.interrupted
    caption = f"after Ctrl-C: the result in {to_result:.2f} s, the prompt in {to_prompt:.2f} s"
    box = f'width="{width - 2}" height="{height - 2}" rx="10"'
    when = f'style="animation-duration: {seen.ended:.2f}s"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"',
        f'  {size} role="img" xml:space="preserve">',
        f"<title>{story}</title>",
        f"<style>\n{_STYLE}\n</style>",
        f'<rect x="1" y="1" {box} fill="var(--paper)" stroke="var(--edge)"/>',
        *(f'<circle cx="{22 + 20 * n}" cy="20" r="6" fill="var(--edge)"/>' for n in range(3)),
        *_words(seen),
        f'<text x="{width - _LEFT}" y="25" text-anchor="end" class="title at"',
        f"  {when}>{caption}</text>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _words(seen: Recording) -> Iterator[str]:
    """Return the text: characters of one line that came together are one element."""
    for row, line in enumerate(seen.lines):
        y = _TOP + _LINE * (row + 1) - 6
        looks = [_look(line, column, at) for column, at in enumerate(seen.times[row])]
        for (at, style), group in groupby(range(len(line)), looks.__getitem__):
            columns = list(group)
            text = line[columns[0] : columns[-1] + 1]
            place = f'x="{_LEFT + columns[0] * _CELL:.1f}" y="{y}"'
            length = f'textLength="{len(text) * _CELL:.1f}"'
            when = f'style="animation-duration: {at:.2f}s"'
            if text.strip():
                yield f'<text {place} {length} class="{style} at" {when}>{escape(text)}</text>'


def _look(line: str, column: int, at: float) -> tuple[float, str]:
    """Return when a character came, and how it looks."""
    if line[max(0, column - 1) : column + 1] == "^C" or line[column : column + 2] == "^C":
        return at, "key"
    if line.startswith("Stopped by"):
        return at, "end"
    return at, "soft" if line.startswith("-----") else "ink"


def text_of(picture: str) -> list[str]:
    """Return the lines of text that a picture has."""
    lines: dict[str, str] = {}
    for x, y, words in re.findall(
        r'<text x="([\d.]+)" y="(\d+)" textLength[^>]*>([^<]*)<', picture
    ):
        column = round((float(x) - _LEFT) / _CELL)
        lines[y] = lines.get(y, "").ljust(column) + words
    return [unescape(line) for _, line in sorted(lines.items(), key=lambda item: int(item[0]))]


def main() -> None:
    """Record, and write the picture."""
    seen = record()
    PICTURE.write_text(draw(seen), encoding="utf-8")
    print("\n".join(seen.lines))
    print(f"{PICTURE.relative_to(ROOT)}: {seen.ended - seen.interrupted:.3f} s to the prompt")


if __name__ == "__main__":
    main()

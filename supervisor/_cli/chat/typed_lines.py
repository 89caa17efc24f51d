"""The lines that were typed at the prompt, until their turn comes."""

from __future__ import annotations

import asyncio


class TypedLines:
    """A queue of lines that ends where the user leaves."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()

    def put(self, line: str) -> None:
        """Add a line."""
        self._lines.put_nowait(line)

    def leave(self) -> None:
        """Note that the user leaves."""
        self._lines.put_nowait(None)

    async def next(self) -> str | None:
        """Return the next line; None where the user leaves."""
        return await self._lines.get()

    def take_words(self) -> str:
        """Return the lines that wait, as one text, and forget them; that the user leaves stays."""
        lines = [self._lines.get_nowait() for _ in range(self._lines.qsize())]
        if None in lines:
            self.leave()
        return "\n".join(line for line in lines if line)

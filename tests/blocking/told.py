"""The facts that a process started by somebody else reports to a test: JSON lines on a FIFO."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

Fact = dict[str, Any]


class Told:
    """The facts, in the order in which they were reported.

    Args:
        path: The FIFO.
        fd: The same, open.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd
        self._rest = b""
        self._facts: asyncio.Queue[Fact] = asyncio.Queue()
        self.started = 0
        """How many have told that they have started."""

    def read(self) -> None:
        """Read what is there."""
        *lines, self._rest = (self._rest + os.read(self._fd, 65536)).split(b"\n")
        for fact in map(json.loads, lines):
            self.started += fact["fact"] == "started"
            self._facts.put_nowait(fact)

    async def until(self, name: str, seconds: float = 15.0) -> Fact:
        """Wait for a fact, and skip others."""
        async with asyncio.timeout(seconds):
            while (fact := await self._facts.get())["fact"] != name:
                pass
        return fact


@contextlib.asynccontextmanager
async def listening(folder: Path) -> AsyncGenerator[Told]:
    """Make a FIFO in a folder, and listen to it."""
    path = folder / "told"
    os.mkfifo(path)
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)  # so that its end is never reached
    told = Told(path, fd)
    loop = asyncio.get_running_loop()
    loop.add_reader(fd, told.read)
    try:
        yield told
    finally:
        loop.remove_reader(fd)
        os.close(fd)

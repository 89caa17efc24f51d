"""A server of tools on stdio, made with the official library.

python -m tests.holders.programs.mcp_server FIFO [GATE]    tells "started" and each call on a FIFO

With a GATE, another FIFO, it answers nobody until somebody has written there.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import anyio


def _tell(fact: str, **more: object) -> None:
    line = json.dumps({"fact": fact, "pid": os.getpid()} | more)
    os.write(_fifo, f"{line}\n".encode())


_fifo = os.open(sys.argv[1], os.O_RDWR)  # so that opening it waits for nobody
_tell("started")
if len(sys.argv) > 2:
    Path(sys.argv[2]).read_bytes()

from mcp.server.fastmcp import FastMCP  # noqa: E402 - slow: what waits for it is told first

server = FastMCP("tools", log_level="ERROR")


@server.tool()
async def look_up(key: str) -> str:
    """Answer at once."""
    _tell("called", tool="look_up", key=key)
    return f"found {key}"


@server.tool()
async def wait(key: str) -> str:
    """Never answer."""
    _tell("called", tool="wait", key=key)
    await anyio.sleep_forever()
    return key


if __name__ == "__main__":
    server.run("stdio")

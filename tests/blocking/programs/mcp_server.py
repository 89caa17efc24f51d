"""A server of tools, resources and prompts, made with the official library.

python -m tests.blocking.programs.mcp_server FIFO [GATE | sse | streamable-http]

It tells on a FIFO that it has started, what is asked of it, and what of that is cancelled. On stdio
with a GATE, another FIFO, it answers nobody until somebody has written there. The others are served
on loopback; it tells at which port.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import anyio


def _tell(fact: str, **more: object) -> None:
    line = json.dumps({"fact": fact, "pid": os.getpid()} | more)
    os.write(_fifo, f"{line}\n".encode())


_fifo = os.open(sys.argv[1], os.O_RDWR)  # so that opening it waits for nobody
_option = sys.argv[2] if len(sys.argv) > 2 else None
_is_served = _option in ("sse", "streamable-http")
_tell("started")
if _option and not _is_served:
    Path(_option).read_bytes()

from mcp.server.fastmcp import Context, FastMCP  # noqa: E402 - slow: what waits is told first

server = FastMCP("tools", log_level="ERROR")


async def _never(**what: str) -> str:
    _tell("called", **what)
    try:
        await anyio.sleep_forever()
    except anyio.get_cancelled_exc_class():
        _tell("cancelled", **what)
        raise
    return ""


@server.tool()
async def look_up(key: str) -> str:
    """Answer at once."""
    _tell("called", tool="look_up", key=key)
    return f"found {key}"


@server.tool()
async def tell_meta(context: Context) -> str:  # type: ignore[type-arg]
    """Answer with what the request says of itself."""
    meta = context.request_context.meta  # pyright: ignore[reportUnknownMemberType]
    return "{}" if meta is None else meta.model_dump_json(exclude_none=True)


@server.tool()
async def wait(key: str) -> str:
    """Never answer."""
    return await _never(tool="wait", key=key)


@server.resource("wait://{key}")
async def wait_for_resource(key: str) -> str:
    """Never answer."""
    return await _never(resource="wait", key=key)


@server.prompt()
async def wait_for_prompt(key: str) -> str:
    """Never answer."""
    return await _never(prompt="wait", key=key)


def _serve() -> None:
    import uvicorn

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    app = server.sse_app() if _option == "sse" else server.streamable_http_app()
    listener.listen()
    _tell("listening", port=listener.getsockname()[1])
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])


if __name__ == "__main__":
    if _is_served:
        _serve()
    else:
        server.run("stdio")

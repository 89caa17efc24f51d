"""uvicorn in a thread, as desktop programs have it: the main thread has the signals.

`python -m tests.hosts.threaded APP PORT`
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from types import FrameType

import uvicorn
from uvicorn.importer import import_from_string

from supervisor import Rung
from supervisor.integrations.asgi import SupervisorMiddleware
from tests.hosts.apps import open_here


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    app, port = sys.argv[1:]
    is_over = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        is_over.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    server = uvicorn.Server(uvicorn.Config(app, port=int(port)))
    thread = threading.Thread(target=server.run)
    thread.start()
    is_over.wait()
    served = import_from_string(app)
    if isinstance(served, SupervisorMiddleware):
        asyncio.run(served.drain())
    for sup in open_here:  # of an application that has its supervisor inside
        sup.stop("The server shuts down", Rung.DRAIN)
    server.should_exit = True
    thread.join()


if __name__ == "__main__":
    main()

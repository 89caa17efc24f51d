"""The blocks of one application: one for each loop that calls it, and most servers have one loop.

A server's start-up opens the block. Where it has no lifespan (`--lifespan off`, a mounted
application, a test client), or calls from another loop, the first request does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from supervisor._core.asyncio_tools import refuse_eager
from supervisor._supervisor.facade import Supervisor
from supervisor.integrations._asgi.block import HostedBlock


class Blocks:
    """The open blocks of one application.

    Args:
        make_supervisor: Makes the supervisor of a block.
    """

    def __init__(self, make_supervisor: Callable[[], Supervisor]) -> None:
        self._make_supervisor = make_supervisor
        self._by_loop: dict[asyncio.AbstractEventLoop, HostedBlock] = {}

    def here(self) -> HostedBlock | None:
        """Return the block of this loop, if it is open."""
        block = self._by_loop.get(asyncio.get_running_loop())
        return block if block is not None and block.is_open else None

    async def open(self) -> HostedBlock:
        """Open the block of this loop, or wait until another request has opened it.

        Raises:
            SupervisorError: It cannot be opened.
        """
        loop = asyncio.get_running_loop()
        block = self._by_loop.get(loop)
        if block is None or block.is_over:
            refuse_eager(loop)
            self._forget_closed()
            block = self._by_loop[loop] = HostedBlock(self._make_supervisor())
        await block.wait_open()
        return block

    async def drain(self) -> None:
        """Drain each of them, in its own loop; from any loop."""
        drained = [
            asyncio.wrap_future(asyncio.run_coroutine_threadsafe(block.drain(), loop))
            for loop, block in list(self._by_loop.items())
            if block.is_open and loop.is_running()
        ]
        if drained:
            await asyncio.wait(drained)

    def _forget_closed(self) -> None:
        for loop in list(self._by_loop):  # a loop of another thread may add its own meanwhile
            if loop.is_closed():
                self._by_loop.pop(loop, None)

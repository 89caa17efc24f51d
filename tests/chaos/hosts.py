"""The hosts of the chaos matrix, ours and peers, each with a second of grace if it has one.

An adapter runs a state to the program's end, as the host's documentation has it. A peer is
imported by name as it is needed, for `make setup` installs none of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import signal
import socket
from collections.abc import Callable, Generator
from typing import Any, Final

from tests.chaos.states import State
from tests.process.server import tell

SECONDS: Final = 1.0
"""What each rung of ours has, and the grace of a peer that can be given one."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
Host = Callable[[State, str], None]


def supervisor(state: State, loop: Any) -> None:
    """Run a team under `supervisor.run`: our host."""
    from supervisor import Ladder, Supervisor, run

    async def main(sup: Supervisor) -> None:
        try:
            await state.start_up()
            await work(sup)
        finally:
            await state.clean_up()

    async def work(sup: Supervisor) -> None:
        from supervisor.testing import assert_settled
        from tests.chaos.teams import team_in

        team = team_in(state)
        try:
            result = await sup.stream(team, task="go")
            tell("result", reason=result.stop_reason)
        finally:
            assert_settled(team)
            tell("settled")

    run(main, loop=loop, ladder=Ladder(drain=SECONDS, cancel=SECONDS, abandon=SECONDS))


def plain_asyncio(state: State, loop: str) -> None:
    """Run with `asyncio.run`, without handlers."""
    asyncio.run(_main(state))


async def _main(state: State) -> None:
    try:
        await state.start_up()
        await state.do()
    finally:
        await state.clean_up()


def autogen(state: State, loop: str) -> None:
    """Run AutoGen alone: signals cancel the run's token."""
    from autogen_core import CancellationToken

    async def main() -> None:
        token = CancellationToken()
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, token.cancel)
        try:
            await state.start_up()
            from tests.chaos.teams import team_in

            await team_in(state).run(task="go", cancellation_token=token)
        finally:
            await state.clean_up()

    asyncio.run(main())


def aiorun(state: State, loop: str) -> None:
    """Run with `aiorun.run`."""
    peer = importlib.import_module("aiorun")
    peer.run(_main(state), timeout_task_shutdown=SECONDS)


def anyio(state: State, loop: str) -> None:
    """Cancel the scope of the task group when a signal is received."""
    peer = importlib.import_module("anyio")

    async def hear(scope: Any) -> None:
        with peer.open_signal_receiver(*_SIGNALS) as signals:
            async for _ in signals:
                scope.cancel()
                return

    async def main() -> None:
        async with peer.create_task_group() as group:
            group.start_soon(hear, group.cancel_scope)
            await asyncio.sleep(0)
            try:
                await state.start_up()
                await state.do()
            finally:
                with peer.CancelScope(shield=True):
                    await state.clean_up()
            group.cancel_scope.cancel()

    peer.run(main)


def uvicorn(state: State, loop: str) -> None:
    """Run a web server: a request is in the state, and clean-up is the application's end."""
    peer = importlib.import_module("uvicorn")
    config = peer.Config(_app(state), timeout_graceful_shutdown=int(SECONDS))
    with _asked(state) as listener:
        peer.Server(config).run(sockets=[listener])


def hypercorn(state: State, loop: str) -> None:
    """Run the same on another web server."""
    config = importlib.import_module("hypercorn.config").Config()
    config.graceful_timeout = config.shutdown_timeout = SECONDS
    serve = importlib.import_module("hypercorn.asyncio").serve
    with _asked(state) as listener:
        config.bind = [f"fd://{listener.fileno()}"]
        asyncio.run(serve(_app(state), config))


def _app(state: State) -> Callable[..., Any]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await state.start_up()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await state.clean_up()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            answer = await state.do()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": answer.encode()})

    return app


@contextlib.contextmanager
def _asked(state: State) -> Generator[socket.socket]:
    """Return a socket to listen on, at which a request waits already."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        if state.moment != "starting":
            client.connect(listener.getsockname())
            client.sendall(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
        yield listener


OURS: Final = "supervisor"
HOSTS: Final[dict[str, tuple[str, Host]]] = {
    OURS: ("supervisor", supervisor),
    "asyncio": ("asyncio", plain_asyncio),
    "AutoGen, token": ("autogen_core", autogen),
    "aiorun": ("aiorun", aiorun),
    "anyio": ("anyio", anyio),
    "uvicorn": ("uvicorn", uvicorn),
    "hypercorn": ("hypercorn", hypercorn),
}
"""The module that each needs, and its adapter."""

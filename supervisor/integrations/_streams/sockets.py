"""A run on a WebSocket, and the user's answers from there, past a client that leaves.

The functions of a framework's socket are all that is needed here. Each framework raises an error of
its own where the client has gone; it is known by its name, so that no framework is imported.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from supervisor.integrations._streams.events import CLIENT_LEFT, EventStream
from supervisor.integrations._streams.wire import StreamEvent

if TYPE_CHECKING:
    from supervisor._autogen.adapter import AnyToken

InputFunction = Callable[[str, "AnyToken | None"], Awaitable[str]]

# Starlette's and Litestar's; websockets'; uvicorn's; Starlette's for requests.
_GONE: Final = frozenset(
    {"WebSocketDisconnect", "ConnectionClosed", "ClientDisconnected", "ClientDisconnect"}
)


class CloseCode(enum.IntEnum):
    """The close codes of RFC 6455 that tell how a stream has ended."""

    NORMAL = 1000
    GOING_AWAY = 1001
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012


def is_gone(error: BaseException) -> bool:
    """Return whether an error says that the client has left."""
    names = (cls.__name__ for cls in type(error).__mro__)
    return isinstance(error, OSError) or any(name in _GONE for name in names)


async def send_all(stream: EventStream, send: Callable[[str], Awaitable[object]]) -> bool:
    """Send each event of a run.

    Returns:
        Whether the client was there to the end; if it was not, the run is stopped and settled.
    """
    events: AsyncGenerator[StreamEvent] = stream.events()
    async with aclosing(events):
        async for event in events:
            try:
                await send(event.data)
            except Exception as error:
                if not is_gone(error):
                    raise
                stream.leave()
                return False
    return True


async def close_with(code: CloseCode, close: Callable[[int], Awaitable[object]]) -> None:
    """Close a socket, unless the client was faster."""
    try:
        await close(code)
    except RuntimeError:
        pass  # what Starlette and the servers call a second close
    except Exception as error:
        if not is_gone(error):
            raise


def _cancel(token: AnyToken, waiting: asyncio.Future[str]) -> None:
    from supervisor._autogen.token import SupervisedToken  # loads AutoGen, as whoever asks has done

    if isinstance(token, SupervisedToken):
        token.cancel(*CLIENT_LEFT)  # the run ends what waits
    else:
        token.link_future(waiting)
        token.cancel()


def input_function(receive: Callable[[], Awaitable[str]]) -> InputFunction:
    """Return an input function that reads each answer by `receive`."""

    async def ask(prompt: str, cancellation_token: AnyToken | None) -> str:  # noqa: ARG001
        try:
            return await receive()
        except Exception as error:
            if cancellation_token is None or not is_gone(error):
                raise
            # AutoGen would make a failure of any exception. So the run is cancelled, and this too.
            cancelled: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            _cancel(cancellation_token, cancelled)
            return await cancelled

    return ask

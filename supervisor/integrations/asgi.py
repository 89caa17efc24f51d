"""A supervisor around a web application: FastAPI, Starlette, Quart, Litestar, any ASGI application.

```python
app = supervised(app)
```

`docs/guide/hosts.md` says what happens on a stop, and which setting fits which server.
"""

from __future__ import annotations

from typing import Final, Unpack

from supervisor._core.errors import SettingsError, UsageError
from supervisor._supervisor import nesting
from supervisor._supervisor.run_watcher import WATCHER
from supervisor.integrations._asgi.answers import answer_ready
from supervisor.integrations._asgi.blocks import Blocks
from supervisor.integrations._asgi.http import HttpRequest
from supervisor.integrations._asgi.lifespan import fail_start, run_lifespan
from supervisor.integrations._asgi.protocol import (
    ASGIApp,
    ConnectionScope,
    Receive,
    Send,
    check_app,
)
from supervisor.integrations._asgi.settings import HostSettings, parse
from supervisor.integrations._asgi.websocket import WebSocket

__all__ = ["HostSettings", "SupervisorMiddleware", "supervised"]

_MARK: Final = "supervisor.integrations.asgi"  # in the scope of what is under a supervisor already


class SupervisorMiddleware:
    """An ASGI application with a supervisor around it, whose runs belong to its requests.

    A handler gets the supervisor by `supervisor.current()`, or as `request.state.supervisor`.

    Args:
        app: The application.
        settings: `ladder`, `signals`, `ready_file`, `children`, `fast_path`, `checkpoints`,
            `durability`, `lease` and `idempotent`, as `Supervisor` takes them, and two more.
            `on_disconnect`: what becomes of the runs of a request whose client disconnects before
            the response is complete; "stop", the default, or "continue". `ready_path`: a path at
            which readiness is answered, with 503 from the first stop request on; None, the default,
            for none.

    A mistake in them is an error as the server starts, and not where this is made: Starlette makes
    it in the lifespan, and a server takes an exception there for an application without a lifespan.

    Example:
        ```python
        app = FastAPI()
        app.add_middleware(SupervisorMiddleware, on_disconnect="continue")
        ```
    """

    def __init__(self, app: ASGIApp, **settings: Unpack[HostSettings]) -> None:
        self._app = app
        self.mistake: SettingsError | UsageError | TypeError | None = None
        """What is wrong with the application or the settings."""
        try:
            check_app(app)
            if isinstance(app, SupervisorMiddleware):
                raise UsageError("the application is supervised already; wrap it once")
            parsed = parse(settings)
        except (SettingsError, UsageError, TypeError) as error:
            self.mistake = error
            return
        self._ready_path = parsed.ready_path
        self._stops_on_disconnect = parsed.on_disconnect == "stop"
        self._blocks = Blocks(parsed.make_supervisor)

    async def __call__(self, scope: ConnectionScope, receive: Receive, send: Send) -> None:
        """Handle a request, a WebSocket or the server's lifespan.

        Raises:
            SettingsError: A setting has a value that it cannot have.
            TypeError: The application is none of ASGI; or there is no such setting.
            UsageError: The application has a supervisor already.
        """
        kind = scope["type"]
        if self.mistake is not None:
            if kind != "lifespan":
                raise self.mistake
            await fail_start(self.mistake, receive, send)
            return
        if _MARK in scope:
            await self._app(scope, receive, send)
        elif kind == "lifespan":
            scope[_MARK] = True
            await run_lifespan(self._app, self._blocks, scope, receive, send)
        elif kind in ("http", "websocket"):
            scope[_MARK] = True
            await self._run(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def drain(self) -> None:
        """Stop the runs in order; wait until their last bytes are sent, or the ladder has ended.

        For who embeds a server: drain, then tell the server to shut down. New runs are refused, and
        the server goes on with everything else. It may be awaited in any loop of any thread.

        Example:
            ```python
            asyncio.run(app.drain())  # the server runs in a thread
            server.should_exit = True
            ```
        """
        await self._blocks.drain()

    async def _run(self, scope: ConnectionScope, receive: Receive, send: Send) -> None:
        block = self._blocks.here() or await self._blocks.open()
        block.look()
        if self._ready_path is not None and self._asks_ready(scope, self._ready_path):
            await answer_ready(send, block)
            return
        scope.setdefault("state", {})["supervisor"] = block.sup
        kind = HttpRequest if scope["type"] == "http" else WebSocket
        connection = kind(block, receive, send, stops_on_disconnect=self._stops_on_disconnect)
        innermost, watcher = nesting.use(block.scope), WATCHER.set(connection.runs)
        try:
            await connection.run(self._app, scope)
        finally:
            WATCHER.reset(watcher)
            innermost.var.reset(innermost)

    @staticmethod
    def _asks_ready(scope: ConnectionScope, path: str) -> bool:
        # Some servers put the root path before the path, as the specification has it; some do not.
        paths = (path, scope.get("root_path", "") + path)
        return scope["type"] == "http" and scope["path"] in paths


def supervised(app: ASGIApp, **settings: Unpack[HostSettings]) -> SupervisorMiddleware:
    """Put a supervisor around an ASGI application.

    Args:
        app: The application: of FastAPI, Starlette, Quart, Litestar, or a plain one.
        settings: Those of `SupervisorMiddleware`.

    Raises:
        SettingsError: A setting has a value that it cannot have.
        TypeError: `app` is no ASGI application; or there is no such setting.
        UsageError: `app` has a supervisor already.

    Example:
        ```python
        app = supervised(FastAPI())
        ```
    """
    middleware = SupervisorMiddleware(app, **settings)
    if middleware.mistake is not None:
        raise middleware.mistake
    return middleware


def __dir__() -> list[str]:
    return sorted(__all__)

"""What `supervised` refuses, and that an application has one supervisor."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

import supervisor
from supervisor import SettingsError, Supervisor, UsageError
from supervisor.integrations._asgi.protocol import (
    ConnectionScope,
    Message,
    Receive,
    Send,
    check_app,
)
from supervisor.integrations.asgi import SupervisorMiddleware, supervised
from tests.unit.integrations.apps import body, hosted, start
from tests.unit.integrations.driver import get, serving


async def plain(scope: ConnectionScope, receive: Receive, send: Send) -> None:
    """Answer with nothing."""
    await start(send, 204)
    await body(send)


def wsgi(environ: dict[str, Any], start_response: object) -> Iterable[bytes]:
    """Answer as a WSGI application."""
    return []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"exits": True}, "True is not valid for exits; leave it out"),
        ({"guard": True}, "True is not valid for guard; leave it out"),
        ({"interactive": True}, "True is not valid for interactive; leave it out"),
        ({"on_disconnect": "ignore"}, "'ignore' is not valid for on_disconnect; give 'stop'"),
        ({"ready_path": "ready"}, "'ready' is not valid for ready_path; give a path"),
        ({"ready_path": 1}, "1 is not valid for ready_path; give a path"),
        ({"ladder": 8}, "8 is not valid for ladder"),
        ({"signals": {"SIGKILL": "DRAIN"}}, "no process can catch it"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(settings: dict[str, Any], message: str) -> None:
    """A bad setting is one error as the application is wrapped, and not in its first request."""
    with pytest.raises(SettingsError, match=message):
        supervised(plain, **settings)


def test_a_setting_that_is_none_is_refused() -> None:
    """A name that is no setting is a TypeError that names it."""
    settings: dict[str, Any] = {"on_disconected": "stop"}
    with pytest.raises(TypeError, match="on_disconected"):
        supervised(plain, **settings)


@pytest.mark.parametrize("app", [wsgi, None, "module:app", Starlette, functools.partial(wsgi, {})])
def test_what_is_no_application_is_refused(app: Any) -> None:
    """A WSGI application, a class or a name is a TypeError that says what to give."""
    with pytest.raises(TypeError, match="no ASGI application; give"):
        supervised(app)


async def test_a_mistake_in_a_middleware_fails_the_start() -> None:
    """Starlette makes a middleware in the lifespan: the start fails with the one line, then."""
    app = Starlette()
    app.add_middleware(SupervisorMiddleware, ready_path="ready")
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        said.append(message)

    await app({"type": "lifespan", "app": app}, receive, send)

    (failed,) = said
    assert failed["type"] == "lifespan.startup.failed"
    assert failed["message"].startswith("'ready' is not valid for ready_path; give a path")
    with pytest.raises(SettingsError, match="ready_path"):  # where the server has no lifespan
        await app({"type": "http", "path": "/"}, receive, send)


def test_an_application_is_wrapped_once() -> None:
    """Wrapping what is wrapped already is a UsageError: whose settings would count?"""
    with pytest.raises(UsageError, match="wrap it once"):
        supervised(supervised(plain))


async def test_a_partial_of_an_application_is_one() -> None:
    """What is called with scope, receive and send is an application, of whatever type."""
    async with serving(app := hosted(functools.partial(plain))):
        assert (await get(app).end()).status == 204


@pytest.mark.parametrize("path", ["/", "/inner/"])
async def test_there_is_one_supervisor_however_often_it_is_wrapped(path: str) -> None:
    """A wrapper inside another one, in a middleware or a mount, stands back."""
    seen: set[Supervisor] = set()

    async def note(request: Request) -> Response:
        seen.update([supervisor.current(), request.state.supervisor])
        return PlainTextResponse("noted")

    mounted = supervised(Starlette(routes=[Route("/", note)]), signals={})
    app = Starlette(routes=[Route("/", note), Mount("/inner", app=mounted)])
    app.add_middleware(SupervisorMiddleware, signals={})
    async with serving(outer := supervised(app, signals={})) as lifespan:
        assert (await get(outer, path).end()).status == 200
    assert seen == {lifespan.state["supervisor"]}


async def test_another_kind_of_connection_is_passed_on() -> None:
    """What ASGI may have one day goes to the application as it is."""
    kinds: list[str] = []

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        kinds.append(scope["type"])

    async def nothing(*_: object) -> Any: ...

    await supervised(app, signals={})({"type": "webtransport"}, nothing, nothing)
    assert kinds == ["webtransport"]


def test_a_callable_that_tells_nothing_of_its_parameters_may_be_one() -> None:
    """Some of C code have no signature; the first request is what tells."""
    check_app(iter)

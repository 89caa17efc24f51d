"""The page of Gradio's, and a path that answers 200 while no run is at work."""

from __future__ import annotations

from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from examples.web import gradio_page


async def idle(request: Request) -> Response:
    """Answer 503 while a run is at work."""
    is_idle = " 0 runs" in repr(request.state.supervisor)
    return Response(status_code=200 if is_idle else 503)


app = gradio_page.app
cast(Any, app)._app.router.routes.insert(0, Route("/idle", idle))  # before "/"

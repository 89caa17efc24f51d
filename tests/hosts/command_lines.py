"""The command lines of the servers, as their documentation has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

CommandLine = Callable[[str, int], list[str]]
"""Takes the application (`module:attribute`) and the port; gives what comes behind `python -m`."""


def _uvicorn(*options: str) -> CommandLine:
    return lambda app, port: ["uvicorn", app, "--port", str(port), *options]


def _threaded(app: str, port: int) -> list[str]:
    return ["tests.hosts.threaded", app, str(port)]


def _hypercorn(*options: str) -> CommandLine:
    return lambda app, port: ["hypercorn", app, "--bind", f"127.0.0.1:{port}", *options]


def _granian(*options: str) -> CommandLine:
    return lambda app, port: ["granian", app, "--interface", "asgi", "--port", str(port), *options]


def _gunicorn(worker: str) -> CommandLine:
    # Its control socket would be one file for all the gunicorns of a user.
    options = ["--worker-class", worker, "--no-control-socket"]
    return lambda app, port: ["gunicorn", app, "--bind", f"127.0.0.1:{port}", *options]


OLD_UVICORN: Final = "uvicorn 0.44"
"""It tells its requests at shutdown that their clients have gone; 0.45 took that back."""

THREADED: Final = "uvicorn in a thread"

SERVERS: Final[dict[str, CommandLine]] = {
    "uvicorn": _uvicorn("--loop", "asyncio"),
    "uvicorn uvloop": _uvicorn("--loop", "uvloop"),
    "uvicorn --workers 2": _uvicorn("--workers", "2"),
    "uvicorn --reload": _uvicorn("--reload", "--reload-dir", "tests/hosts"),
    "uvicorn --lifespan off": _uvicorn("--lifespan", "off"),
    OLD_UVICORN: _uvicorn(),
    THREADED: _threaded,
    "hypercorn": _hypercorn(),
    "hypercorn uvloop": _hypercorn("--worker-class", "uvloop"),
    "hypercorn --workers 0": _hypercorn("--workers", "0"),
    "granian": _granian("--loop", "asyncio"),
    "granian uvloop": _granian("--loop", "uvloop"),
    "gunicorn asgi": _gunicorn("asgi"),
    "gunicorn uvicorn": _gunicorn("uvicorn_worker.UvicornWorker"),
}

"""The words of ASGI, as its specification has them, and the checks of an application."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

Message: TypeAlias = MutableMapping[str, Any]
ConnectionScope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
# Of scope, receive and send, which each framework annotates with types of its own.
ASGIApp: TypeAlias = Callable[..., Awaitable[Any]]


def check_app(app: object) -> None:
    """Raise a TypeError where this cannot be an ASGI application."""
    name = getattr(app, "__qualname__", type(app).__qualname__)
    if inspect.isclass(app):
        raise TypeError(f"{name} is a class and no ASGI application; give an instance: {name}()")
    if not callable(app) or not _takes_three(app):
        raise TypeError(
            f"{name} is no ASGI application; give a callable of scope, receive and send, "
            "and wrap a WSGI application before"
        )


def _takes_three(app: Callable[..., Any]) -> bool:
    try:
        inspect.signature(app).bind(None, None, None)
    except TypeError:
        return False
    except ValueError:  # it tells nothing of its parameters
        return True
    return True

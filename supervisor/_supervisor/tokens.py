"""The `CancellationToken` of a supervisor, for calls of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from supervisor._core.events import Rung

if TYPE_CHECKING:
    from supervisor._autogen.token import SupervisedToken
    from supervisor._supervisor.scope import StopScope


def token_of(scope: StopScope, stop: Callable[[str], None]) -> SupervisedToken:
    """Return the token of a supervisor; make it where there is none, or none any more.

    Args:
        scope: What the supervisor stops.
        stop: Requests a stop with this reason; called where the token is cancelled.
    """
    if scope.token is None:
        from supervisor._autogen.token import SupervisedToken

        scope.token = SupervisedToken(
            on_cancel=lambda: stop("The supervisor's token was cancelled")
        )
        if scope.home.loop is not None:
            scope.token.bind(scope.home.loop, scope.home.thread)
        if scope.stop.rung >= Rung.CANCEL:
            scope.token.cancel(scope.stop.request.reason if scope.stop.request else None)
    return scope.token

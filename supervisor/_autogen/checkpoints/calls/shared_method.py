"""A method of an object that does more in some runs: an executor may be shared by several."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from supervisor._core.tasks import SCOPE, Scope

Through = Callable[..., Awaitable[Any]]
"""Takes the method as it was, and the arguments of a call of it."""


class SharedMethod:
    """A coroutine method of one object, overridden as long as a run needs that.

    Args:
        thing: The object.
        name: The method.
    """

    def __init__(self, thing: object, name: str) -> None:
        self._names: dict[str, Any] = vars(thing)
        self._name = name
        self._own: Any = self._names.get(name)  # the user's own override
        self._original: Callable[..., Awaitable[Any]] = getattr(thing, name)
        self._by_scope: dict[Scope | None, Through] = {}
        self._ours = self._names[name] = self._call

    async def _call(self, *args: Any, **options: Any) -> Any:
        through = self._by_scope.get(SCOPE.get())
        if through is None:
            return await self._original(*args, **options)
        return await through(self._original, *args, **options)

    def put(self, scope: Scope, through: Through) -> None:
        """Have the calls of a run go through a function."""
        self._by_scope[scope] = through

    def take_back(self, scope: Scope) -> bool:
        """End `put`; return whether no run needs the override any more, and it is gone."""
        self._by_scope.pop(scope, None)
        if self._by_scope:
            return False
        if self._names.get(self._name) is self._ours:
            if self._own is None:
                del self._names[self._name]
            else:
                self._names[self._name] = self._own
        return True


_methods: Final[dict[tuple[int, str], SharedMethod]] = {}  # by the id()s of objects that they hold


def route(thing: object, name: str, scope: Scope, through: Through) -> Callable[[], None]:
    """Have the calls that a run makes of a method go through a function.

    Returns:
        A function that ends this.
    """
    key = (id(thing), name)
    if key not in _methods:
        _methods[key] = SharedMethod(thing, name)
    method = _methods[key]
    method.put(scope, through)

    def end() -> None:
        if method.take_back(scope) and _methods.get(key) is method:
            del _methods[key]

    return end

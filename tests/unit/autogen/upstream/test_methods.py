"""AutoGen's own methods: recognized behind any wrapper, and missed where replaced."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from supervisor._autogen.upstream.methods import Method


class Stock:
    """A class as one of AutoGen's."""

    async def work(self) -> str:
        """Do nothing."""
        return "done"


class Heir(Stock):
    """A subclass that leaves the method alone."""


class Rebel(Stock):
    """A subclass that overrides it."""

    async def work(self) -> str:
        """Its own."""
        return "done otherwise"


ORIGINAL: Any = Stock.work


def wraps(function: Any) -> Any:
    """Wrap a function plainly."""

    @functools.wraps(function)
    async def wrapper(*args: Any) -> Any:
        return await function(*args)

    return wrapper


def nameless(function: Any) -> Any:
    """Wrap a function without saying what is wrapped."""

    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


class Proxy:
    """A wrapper that is an object."""

    def __init__(self, function: Any) -> None:
        self._inner = function

    async def __call__(self, *args: Any) -> Any:
        """Call it."""
        return await self._inner(*args)


def by_global(_: Any) -> Any:
    """Wrap a function that the wrapper finds in its module."""

    async def wrapper(self: Any) -> Any:
        return await ORIGINAL(self)

    return wrapper


def by_default(function: Any) -> Any:
    """Wrap a function that the wrapper keeps in a default."""

    async def wrapper(self: Any, inner: Any = function) -> Any:
        return await inner(self)

    return wrapper


WRAPPERS = [wraps, nameless, Proxy, by_global, by_default, functools.partial]


def test_a_method_that_nobody_touched_is_plain() -> None:
    """AutoGen's own function is plain, in a subclass that inherits it too."""
    method = Method(Stock, "work")
    assert method.is_plain()
    assert method.is_plain(Heir)
    assert method.is_inherited(Heir)
    assert method.replaced is None


def test_an_override_is_not_plain() -> None:
    """A subclass that overrides the method does not do what AutoGen's class does."""
    method = Method(Stock, "work")
    assert not method.is_plain(Rebel)
    assert not method.is_inherited(Rebel)


@pytest.mark.parametrize("wrap", WRAPPERS, ids=lambda wrap: wrap.__name__)
def test_a_wrapped_method_is_not_plain_and_still_reached(
    wrap: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a wrapper of any kind AutoGen's function is found, though it is not plain."""
    method = Method(Stock, "work")
    assert method.is_plain()
    monkeypatch.setattr(Stock, "work", wrap(wrap(Stock.work)))
    assert not method.is_plain()
    assert method.replaced is None
    monkeypatch.undo()
    assert method.is_plain()


def test_a_wrapper_before_the_first_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrapper counts that was there before the first look, like a later one."""
    monkeypatch.setattr(Stock, "work", wraps(Stock.work))
    method = Method(Stock, "work")
    assert not method.is_plain()
    assert method.is_inherited(Heir)
    assert method.replaced is None


def test_a_replaced_method_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """`replaced` is a function that does not call AutoGen's."""
    method = Method(Stock, "work")
    monkeypatch.setattr(Stock, "work", Rebel.work)
    assert method.replaced is Rebel.work
    monkeypatch.delattr(Stock, "work")  # as in another version of AutoGen
    assert not method.is_plain()


def test_a_wrapper_whose_attributes_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrapper whose attributes raise hides only what is behind it."""

    class Broken:
        __name__ = "broken"

        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    method, broken = Method(Stock, "work"), Broken()
    monkeypatch.setattr(Stock, "work", broken)
    assert not method.is_plain()
    assert method.replaced is broken


def test_a_proxy_that_passes_for_what_it_wraps_is_not_plain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wrapper that has the class, the code and the globals of what it wraps is a wrapper."""

    class Passing:
        def __init__(self, function: Any) -> None:
            self.__wrapped__ = function

        def __getattribute__(self, name: str) -> Any:
            wrapped = object.__getattribute__(self, "__wrapped__")
            return wrapped if name == "__wrapped__" else getattr(wrapped, name)

    method, proxy = Method(Stock, "work"), Passing(Stock.work)
    monkeypatch.setattr(Stock, "work", proxy)
    assert proxy.__class__ is type(ORIGINAL)
    assert not method.is_plain()
    assert method.replaced is None


def test_an_attribute_of_the_object_hides_the_method() -> None:
    """An attribute of the object that hides its class's method is noticed."""
    method, thing = Method(Stock, "work"), Stock()
    assert method.is_plain_of(thing)
    assert not method.is_plain_of(Rebel())
    thing.work = wraps(thing.work)  # type: ignore[method-assign]
    assert not method.is_plain_of(thing)

"""A method of an object that several runs share."""

from __future__ import annotations

from typing import Any, cast

from supervisor._autogen.checkpoints.calls.shared_method import Through, route
from supervisor._core.tasks import SCOPE


class _Executor:
    """An object with a method that a run wants to know of."""

    async def execute(self, code: str) -> str:
        return f"{code} done"


def _noting(name: str) -> Through:
    async def through(method: Any, code: str) -> str:
        return f"{name}: {await method(code)}"

    return through


async def test_each_run_has_its_own_way_until_it_ends() -> None:
    """Calls of one run go through its function, those of others do not; in the end it is gone."""
    executor = _Executor()
    first, second = cast(Any, object()), cast(Any, object())
    ends = [route(executor, "execute", it, _noting(str(n))) for n, it in enumerate((first, second))]
    said = list[str]()
    for scope in (first, second, None):
        token = SCOPE.set(scope)
        said.append(await executor.execute("x"))
        SCOPE.reset(token)
    assert said == ["0: x done", "1: x done", "x done"]
    ends[0]()
    assert "execute" in vars(executor)  # the second run needs it
    ends[1]()
    assert "execute" not in vars(executor)


async def test_a_users_own_override_stands_again() -> None:
    """What the user has put on the object is called meanwhile, and is put back."""

    async def own(code: str) -> str:
        return f"{code} by the user"

    executor: Any = _Executor()
    executor.execute = own
    end = route(executor, "execute", cast(Any, None), _noting("run"))
    assert await executor.execute("x") == "run: x by the user"
    end()
    assert executor.execute is own


async def test_what_was_put_there_meanwhile_stays() -> None:
    """An override that came later is somebody else's, and is left alone."""

    async def later(code: str) -> str:
        return code

    executor: Any = _Executor()
    end = route(executor, "execute", cast(Any, None), _noting("run"))
    executor.execute = later
    end()
    assert executor.execute is later

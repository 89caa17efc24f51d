"""What a contract test says as it fails: the version of AutoGen, and the name that is missing."""

from __future__ import annotations

from collections.abc import Generator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

_HERE = Path(__file__).parent


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add a section to the report of a contract test that has failed."""
    report = yield
    if report.failed and _HERE in item.path.parents and call.excinfo is not None:
        report.sections.append(("AutoGen", broken(call.excinfo.value)))
    return report


def broken(error: BaseException) -> str:
    """Return which AutoGen is installed, and which name of its was not found, if that is known."""
    installed = f"autogen-agentchat {version('autogen-agentchat')}"
    return f"{installed}: {_missing(error)}"


def _missing(error: BaseException) -> str:
    if isinstance(error, ImportError) and error.name:
        return f"{error.name} has no name {_not_found(error)!r}"
    if isinstance(error, AttributeError) and error.name and error.obj is not None:
        owner: Any = error.obj if isinstance(error.obj, type) else type(error.obj)
        return f"{owner.__module__}.{owner.__qualname__} has no name {error.name!r}"
    return "it behaves differently here"


def _not_found(error: ImportError) -> str:
    # `name_from` is there since Python 3.12.
    named = getattr(error, "name_from", None)
    return str(named) if named else error.msg.partition("'")[2].partition("'")[0]

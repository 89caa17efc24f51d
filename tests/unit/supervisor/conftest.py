"""What these tests share: the process, on a virtual clock."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator

import pytest

from supervisor import _supervisor
from supervisor._core.settings import GRACE_VARIABLE
from tests.unit.supervisor.fakes import VirtualProcess


@pytest.fixture(autouse=True)
def _no_grace_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(GRACE_VARIABLE, raising=False)


@pytest.fixture(autouse=True)
def _switch_interval() -> Iterator[None]:
    """Put back what a stop without a block has changed."""
    found = sys.getswitchinterval()
    yield
    sys.setswitchinterval(found)


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> VirtualProcess:
    """Put a process on a virtual clock in place of the real one."""
    virtual = VirtualProcess()
    for module in pkgutil.iter_modules(_supervisor.__path__, "supervisor._supervisor."):
        if hasattr(importlib.import_module(module.name), "registry"):
            monkeypatch.setattr(f"{module.name}.registry", virtual)
    # Those of other tests would be looked for in real time.
    monkeypatch.setattr("supervisor._process.children.has_children", lambda: False)
    return virtual

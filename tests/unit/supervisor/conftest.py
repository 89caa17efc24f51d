"""What the conductor's tests share: the process, on a virtual clock."""

from __future__ import annotations

import pytest

from supervisor._core.settings import GRACE_VARIABLE
from tests.unit.supervisor.fakes import VirtualProcess


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> VirtualProcess:
    """The process, and its end as an entry in the log."""
    virtual = VirtualProcess()
    monkeypatch.delenv(GRACE_VARIABLE, raising=False)
    for module in ("_supervisor", "_escalation"):
        monkeypatch.setattr(f"supervisor.{module}.process", virtual)
    # Those of other tests would be looked for in real time.
    monkeypatch.setattr("supervisor._process.children.has_children", lambda: False)
    return virtual

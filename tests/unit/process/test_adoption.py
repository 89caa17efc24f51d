"""Orphans: who gets them, where this can be asked for and where it cannot."""

from __future__ import annotations

import os
import sys

import pytest

from supervisor._process import adoption

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has subreapers")


def test_a_python_without_ctypes_adopts_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `ctypes` nothing can be asked of the kernel, and that is no error."""
    monkeypatch.setitem(sys.modules, "ctypes", None)
    assert not adoption.adopt_orphans()
    assert not adoption.adopts_orphans()


def test_pid_1_gets_all_orphans_anyway(monkeypatch: pytest.MonkeyPatch) -> None:
    """PID 1 need not ask for orphans."""
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: 1)
        assert adoption.adopts_orphans()

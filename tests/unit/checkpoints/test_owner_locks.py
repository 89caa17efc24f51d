"""Locks of owners beside a store in a file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from supervisor._checkpoints.owner_locks import OwnerLocks
from supervisor.errors import StoreUnavailable

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")


def test_a_place_without_locks_is_said_in_one_line(tmp_path: Path) -> None:
    """Where the file of locks cannot be made the store is unavailable."""
    (tmp_path / "runs.db-owners").mkdir()
    locks = OwnerLocks(str(tmp_path / "runs.db"), "sqlite:///runs.db", takes_locks=True)
    with pytest.raises(StoreUnavailable, match="its owners cannot be locked beside") as caught:
        locks.claim("somebody")
    assert "\n" not in str(caught.value)

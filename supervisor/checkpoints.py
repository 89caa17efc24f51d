"""Runs that survive their process: the stores in which they are kept.

```python
from supervisor import checkpoints

with checkpoints.open("sqlite:///runs.db") as runs:
    for info in runs.list(status="stopped"):
        print(info.id, info.turn, info.stop_reason)
```
"""

from __future__ import annotations

from supervisor._checkpoints.store import (
    Acquired,
    CallRecord,
    CheckpointStore,
    Commit,
    End,
    Entry,
    NewRun,
    Renewal,
    RunInfo,
    RunStatus,
    StoredRun,
)
from supervisor._checkpoints.urls import open_store
from supervisor._supervisor.kept import Runs
from supervisor._supervisor.stored_runs import StoredRuns

__all__ = [
    "Acquired",
    "CallRecord",
    "CheckpointStore",
    "Commit",
    "End",
    "Entry",
    "NewRun",
    "Renewal",
    "RunInfo",
    "RunStatus",
    "Runs",
    "StoredRun",
    "StoredRuns",
    "open",
]


def open(url: str | CheckpointStore) -> StoredRuns:  # noqa: A001 - as `checkpoints.open`
    """Return the runs in a store, for a program that runs none of them; a context manager.

    Nothing is opened before it is used.

    Args:
        url: Where, as "sqlite:///runs.db" or "postgresql://host/database"; or a store.

    Raises:
        SettingsError: The URL names no store, or what it needs is not installed.
    """
    return StoredRuns(open_store(url) if isinstance(url, str) else url)


def __dir__() -> list[str]:
    return sorted(__all__)

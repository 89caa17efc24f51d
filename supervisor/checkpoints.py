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
    "StoredRun",
]


def __dir__() -> list[str]:
    return sorted(__all__)

"""Workers that carry kept runs on, over whichever queue you have.

```python
async with Supervisor(checkpoints="postgresql://localhost/runs") as sup:
    match await carry_on(sup, make_team, run_id):
        case HandedOver():
            ...  # have your queue tell another worker
```

The command `work` is such a worker, with a queue in the same PostgreSQL. `examples/fleet/` has one
for Temporal and one for Celery, and `docs/guide/fleet.md` says what is promised.
"""

from __future__ import annotations

from supervisor.integrations._fleet.carry_on import carry_on
from supervisor.integrations._fleet.outcomes import Done, Failed, HandedOver, Held, Outcome
from supervisor.integrations._fleet.submit import submit

__all__ = ["Done", "Failed", "HandedOver", "Held", "Outcome", "carry_on", "submit"]


def __dir__() -> list[str]:
    return sorted(__all__)

"""Several teams at once: one Ctrl-C stops them all, and each has its own result.

python examples/03_several_teams.py    and press Ctrl-C
"""

from __future__ import annotations

import asyncio

from examples.teams import counters, summary
from supervisor import Supervisor


async def main() -> None:
    """Run three teams of different speed side by side."""
    async with Supervisor() as sup:
        tasks = [
            asyncio.create_task(sup.stream(counters(pause), "Count from 1 to 20"))
            for pause in (0.1, 0.2, 0.4)
        ]
        await asyncio.sleep(0)  # they begin
        print("Three teams are counting.", flush=True)
        for number, result in enumerate(await asyncio.gather(*tasks), start=1):
            print(f"Team {number}: {summary(result)}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())

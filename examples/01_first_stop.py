"""The first stop: Ctrl-C ends the team's work at once, and the result is still there.

python examples/01_first_stop.py    and press Ctrl-C
"""

from __future__ import annotations

import asyncio

from examples.teams import counters, show, summary
from supervisor import Supervisor


async def main() -> None:
    """Run one team, and print how it ended."""
    async with Supervisor() as sup:
        stream = sup.stream(counters(pause=0.2), "Count from 1 to 20")
        async for event in stream:
            show(event)
        # After Ctrl-C the loop has ended, the team is at rest, and this line is reached.
        print(f"\n{summary(await stream)}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())

"""AutoGen's own Console accepts a supervised run, as it accepts `team.run_stream()`.

python examples/02_console.py    and press Ctrl-C
"""

from __future__ import annotations

import asyncio

from autogen_agentchat.ui import Console

from examples.teams import counters, summary
from supervisor import Supervisor


async def main() -> None:
    """Show a team in the Console."""
    async with Supervisor() as sup:
        result = await Console(sup.stream(counters(pause=0.2), "Count from 1 to 20"))
        print(f"\n{summary(result)}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())

"""Stop from code: one run, one run after a time limit, and then the rest, from another thread.

python examples/06_stop_from_code.py    (ends by itself after a second)
"""

from __future__ import annotations

import asyncio
import threading

from examples.teams import counters, summary
from supervisor import Supervisor


async def main() -> None:
    """Stop three runs in three ways."""
    async with Supervisor(signals={}) as sup:  # no handlers: a guest in somebody's program
        impatient = sup.stream(counters(pause=0.02), "Count from 1 to 20", timeout=0.3)
        unwanted = sup.stream(counters(pause=0.02), "Count from 1 to 20")
        last = sup.stream(counters(pause=0.02), "Count from 1 to 20")

        loop = asyncio.get_running_loop()
        loop.call_later(0.5, unwanted.stop, "The client went away")
        threading.Timer(1.0, sup.stop, ["The shop closes"]).start()  # safe from any thread

        for result in await asyncio.gather(impatient, unwanted, last):
            print(summary(result), flush=True)


if __name__ == "__main__":
    asyncio.run(main())

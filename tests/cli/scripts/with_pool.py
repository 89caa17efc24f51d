from __future__ import annotations

import asyncio
import atexit
import multiprocessing
import pickle

from autogen_agentchat.agents import AssistantAgent
from work import thinking


class Note:
    pass


def square(number: int) -> int:
    return number * number


@atexit.register
def leave() -> None:
    print("pickled", pickle.loads(pickle.dumps(Note())).__class__.__name__, flush=True)


async def main() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(square, [1, 2, 3]))
        await AssistantAgent("assistant", thinking()).run(task="Hello")


if __name__ == "__main__":
    asyncio.run(main())

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from autogen_agentchat.agents import AssistantAgent, UserProxyAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.ui import Console, UserInputManager
from autogen_core import CancellationToken

from supervisor.testing import ScriptedModel


class Client(ScriptedModel):
    async def close(self) -> None:
        print("client closed", flush=True)


async def cancellable_input(prompt: str, cancellation_token: CancellationToken | None) -> str:
    task: asyncio.Task[str] = asyncio.create_task(asyncio.to_thread(read, prompt))
    if cancellation_token is not None:
        cancellation_token.link_future(task)
    return await task


def read(prompt: str) -> str:
    print("at work", flush=True)
    return input(prompt)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("task", nargs="+")
    parser.add_argument("--no-hil", action="store_true")
    args = parser.parse_args()

    async def run_task(task: Any) -> None:
        input_manager = UserInputManager(callback=cancellable_input)
        client = Client(["What next?"])
        try:
            user = UserProxyAgent("user", input_func=input_manager.get_wrapped_callback())
            team = RoundRobinGroupChat([AssistantAgent("assistant", client), user])
            stream = team.run_stream(task=task)
            await Console(stream, output_stats=False, user_input_manager=input_manager)
        finally:
            await client.close()

    asyncio.run(run_task(" ".join(args.task)))


if __name__ == "__main__":
    main()

"""A real model, chosen by the environment.

OPENAI_API_KEY=… .venv/bin/python examples/terminal/openai_model.py    and press Ctrl-C

OPENAI_MODEL names the model (gpt-4o-mini if unset). OPENAI_BASE_URL names a server of your own with
the same protocol. Without a key the example says what to do, and ends with status 0.
"""

from __future__ import annotations

import os

from supervisor import Supervisor, run


async def main(sup: Supervisor) -> None:
    """Run one agent on a real model."""
    if not os.environ.get("OPENAI_API_KEY"):
        print("Set OPENAI_API_KEY (and OPENAI_MODEL, OPENAI_BASE_URL) to talk to a real model.")
        return

    from autogen_agentchat.agents import AssistantAgent
    from autogen_agentchat.ui import Console
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    client = OpenAIChatCompletionClient(model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"))
    agent = AssistantAgent("counter", client, model_client_stream=True)
    result = await Console(sup.stream(agent, "Count from 1 to 200, in words."))
    print(f"\n{result.stop_reason}; {len(result.messages)} messages kept.", flush=True)
    await client.close()


if __name__ == "__main__":
    run(main)

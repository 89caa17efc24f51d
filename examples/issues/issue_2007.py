"""#2007: [Feature Request]: Command line utils to improve developer experience.

Among them: "run declaratively specified teams". AutoGen has no such command.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_ext.models.replay import ReplayChatCompletionClient


async def supervised() -> str:
    """Write a team's file, as AutoGen and its Studio do, and run it by the command."""
    poet = AssistantAgent("poet", ReplayChatCompletionClient(["Rain on the tin roof."]))
    team = RoundRobinGroupChat([poet], max_turns=1)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "team.json").write_text(team.dump_component().model_dump_json())
        command = [sys.executable, "-m", "supervisor", "run", "team.json", "Write a haiku"]
        ended = await asyncio.to_thread(
            subprocess.run, command, cwd=folder, capture_output=True, text=True, check=False
        )
    said = [line for line in ended.stdout.splitlines() if line.startswith("Rain")]
    return f"status {ended.returncode}: {' '.join(said)}"


if __name__ == "__main__":
    print(asyncio.run(supervised()), flush=True)

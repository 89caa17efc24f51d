"""#7463: fix: restrict importlib provider loading to trusted namespaces.

Merged after 0.7.5, and in no release: a team's file can have any module imported.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from autogen_agentchat.teams import RoundRobinGroupChat

TEAM: dict[str, object] = {
    "provider": "somebodys_module.Team",
    "component_type": "team",
    "config": {},
}
MODULE = "print('somebodys_module was imported')"


async def alone() -> str:
    """Load the file as AutoGen's documentation says."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "somebodys_module.py").write_text(MODULE)
        sys.path.insert(0, folder)
        with contextlib.suppress(AttributeError):  # the module has no team
            RoundRobinGroupChat.load_component(TEAM)
    return f"{len({'somebodys_module'} & set(sys.modules))} module of a stranger's in this process"


async def supervised() -> str:
    """Run the file: it is looked at before anything is imported."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "somebodys_module.py").write_text(MODULE)
        (Path(folder) / "team.json").write_text(json.dumps(TEAM))
        command = [sys.executable, "-m", "supervisor", "run", "team.json", "Hello"]
        ended = await asyncio.to_thread(
            subprocess.run, command, cwd=folder, capture_output=True, text=True, check=False
        )
    return f"status {ended.returncode}: {ended.stderr.partition(';')[0]}"


if __name__ == "__main__":
    print(asyncio.run(alone() if "alone" in sys.argv else supervised()), flush=True)

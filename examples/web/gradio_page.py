"""A page of Gradio's with a Stop button, which stops the run.

pip install autogen-supervisor gradio     in an environment of its own: it wants other versions
.venv/bin/uvicorn examples.web.gradio_page:app      then open http://127.0.0.1:8000

Gradio cancels the event that a button names in `cancels=`. That stops the run, and the team can be
used again. After Ctrl-C or SIGTERM the page shows why its run has ended, and the server ends as it
always does.
"""

# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import AsyncGenerator

import gradio as gr  # type: ignore[import-not-found,unused-ignore]
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import BaseChatMessage
from fastapi import FastAPI

from examples.teams import writers
from supervisor import current
from supervisor.integrations.asgi import supervised


async def talk(task: str) -> AsyncGenerator[str]:
    """Run a team, and yield what was said so far."""
    said = ""
    async for event in current().stream(writers(), task):
        if isinstance(event, TaskResult):
            said += f"[{event.stop_reason}]"
        elif isinstance(event, BaseChatMessage):
            said += f"{event.source}: {event.to_text()}\n\n"
        yield said


with gr.Blocks() as page:
    task = gr.Textbox("Write about the sea", label="Task")
    answer = gr.Textbox(label="What was said", lines=20)
    start, stop = gr.Button("Start"), gr.Button("Stop")
    talking = start.click(talk, task, answer, api_name="talk")
    stop.click(None, cancels=[talking])

app = supervised(gr.mount_gradio_app(FastAPI(), page, path="/"))

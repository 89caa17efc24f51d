"""Ask the user: Ctrl-C at the question ends the wait at once, and no typed line is lost.

.venv/bin/python examples/terminal/ask_the_user.py    answer, or press Ctrl-C; "enough" ends it

AutoGen's own way to ask is `input()` in a thread, which nothing can cancel: after Ctrl-C the
process stays until somebody presses Enter. `read_input` waits in the event loop.
"""

from __future__ import annotations

from supervisor import Supervisor, read_input, run


async def main(sup: Supervisor) -> None:
    """Let a poet and the user take turns."""
    from autogen_agentchat.agents import AssistantAgent, UserProxyAgent
    from autogen_agentchat.conditions import TextMentionTermination
    from autogen_agentchat.teams import RoundRobinGroupChat
    from autogen_agentchat.ui import Console

    from supervisor.testing import ScriptedModel  # in place of your model client

    poet = AssistantAgent("poet", ScriptedModel(lambda _: "The sea is wide. What next?"))
    you = UserProxyAgent("you", input_func=read_input)
    is_enough = TextMentionTermination("enough", sources=["you"])
    team = RoundRobinGroupChat([poet, you], termination_condition=is_enough)

    result = await Console(sup.stream(team, "Write a poem with me"))
    print(f"\n{result.stop_reason}; {len(result.messages)} messages kept.", flush=True)


if __name__ == "__main__":
    run(main)

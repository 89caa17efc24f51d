"""Ask the user: Ctrl-C at the question ends the wait at once, and no typed line is lost.

python examples/08_ask_the_user.py    answer, or press Ctrl-C; "enough" ends it

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

    from examples.teams import model, show, summary

    verses = model("The sea is wide. What next?", "The sea is grey. What next?", seconds=0.02)
    poet = AssistantAgent("poet", verses, model_client_stream=True)
    you = UserProxyAgent("you", input_func=read_input)
    is_enough = TextMentionTermination("enough", sources=["you"])
    team = RoundRobinGroupChat([poet, you], termination_condition=is_enough)

    stream = sup.stream(team, "Write a poem with me")
    async for event in stream:
        show(event)
    print(f"\n{summary(await stream)}", flush=True)


if __name__ == "__main__":
    run(main)

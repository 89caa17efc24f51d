"""Names for what a team holds."""

from __future__ import annotations

from autogen_core.model_context import UnboundedChatCompletionContext

from supervisor._autogen.checkpoints.paths import named_components
from supervisor.testing import ScriptedAgent


class _Two(ScriptedAgent):
    """An agent with two contexts, whose attributes differ in an underscore."""

    def __init__(self) -> None:
        super().__init__("two")
        self.context = UnboundedChatCompletionContext()
        self._context = UnboundedChatCompletionContext()


def test_what_would_have_the_same_name_is_counted() -> None:
    """Nothing is hidden by another one, in each process that builds the team alike."""
    agent = _Two()
    names = named_components(agent)
    assert names == {"": agent, "context": agent.context, "context#2": agent._context}

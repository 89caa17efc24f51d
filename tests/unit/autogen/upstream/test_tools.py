"""Contract tests: the tools of an `AssistantAgent`."""

from __future__ import annotations

import pytest
from autogen_agentchat.agents import AssistantAgent, UserProxyAgent
from autogen_agentchat.base import Handoff
from autogen_core import CancellationToken, FunctionCall
from autogen_core.code_executor import CodeResult
from autogen_core.tools import FunctionTool, StaticWorkbench, ToolOverride

from supervisor._autogen import upstream
from supervisor.testing import ScriptedModel
from tests.unit.autogen.checkpoints.executors import Noting, executing


async def _add(a: int) -> str:
    """Add."""
    return str(a + 1)


async def test_an_agents_handoffs_are_tools_of_their_own() -> None:
    """`_handoff_tools` has them by their names; `_workbench` does not."""
    ann = AssistantAgent("ann", ScriptedModel(), tools=[_add], handoffs=[Handoff(target="bob")])
    assert upstream.handoff_names(ann) == {"transfer_to_bob"}
    assert await upstream.has_tool(ann, "_add")
    assert not await upstream.has_tool(ann, "transfer_to_bob")


async def test_a_workbench_maps_the_names_that_it_gives_to_its_tools() -> None:
    """`_tools` of a `StaticWorkbench`, by `_override_name_to_original`; `_func` is the function."""
    tool = FunctionTool(_add, "It adds.", name="add")
    bench = StaticWorkbench([tool], tool_overrides={"add": ToolOverride(name="plus")})
    ann = AssistantAgent("ann", ScriptedModel(), workbench=bench)
    assert upstream.marks_of(ann, "plus") == [tool, _add]
    assert upstream.marks_of(ann, "minus") == []


@pytest.mark.parametrize(("arguments", "content"), [('{"a": 1}', "2"), ("{", "Error: ")])
async def test_execute_tool_call_returns_a_result_for_everything(
    arguments: str, content: str
) -> None:
    """`_execute_tool_call` calls a tool as in a turn; arguments that are no JSON are an error."""
    ann = AssistantAgent("ann", ScriptedModel(), tools=[_add])
    call = FunctionCall(id="c", name="_add", arguments=arguments)
    result = await upstream.call_tool(ann, call, CancellationToken())
    assert result.content.startswith(content)
    assert result.call_id == "c"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (CodeResult(exit_code=0, output="42"), "42"),
        (CodeResult(exit_code=0, output=""), "The script ran but produced no output"),
        (CodeResult(exit_code=2, output="x"), "The script ran, then exited with an error"),
    ],
)
async def test_an_agent_words_some_outputs_of_code_anew(given: CodeResult, said: str) -> None:
    """`execute_code_block` needs `_approval_func` and `_code_executor` of its agent only."""
    found = await upstream.code_output(executing("cod", Noting([])), given)
    assert found.output.startswith(said)
    assert found.exit_code == given.exit_code


async def test_a_user_is_asked_by_one_method() -> None:
    """`_get_input` takes the prompt and a token, and returns the answer."""
    user = UserProxyAgent("user1", input_func=lambda prompt: f"{prompt}: yes")
    ask = getattr(user, upstream.ASKS)
    assert await ask("Well", CancellationToken()) == "Well: yes"
    assert await ask(prompt="Well", cancellation_token=None) == "Well: yes"

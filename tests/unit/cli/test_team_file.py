"""Team files from reading to building: teams, galleries, and what does not fit its class."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from supervisor._cli.errors import CommandError
from supervisor._cli.targets import Source, load, parse
from tests.unit.cli.team_files import (
    MARKER,
    MODEL,
    SCHEMA,
    TOOL,
    Config,
    agent,
    component,
    gallery,
    team,
    with_tool,
    write,
)

pytestmark = pytest.mark.blocks  # files are read, which a program does before any loop runs

OWN = """\
from os import system
from autogen_agentchat.agents import AssistantAgent, UserProxyAgent

class Agent(AssistantAgent):
    component_provider_override = "own_of_test.Agent"

class Plain:
    pass
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("AUTOGEN_ALLOWED_PROVIDER_NAMESPACES", raising=False)


def _load(data: object, name: str = "team.json", **options: Any) -> Source:
    write(Path(), data, name)
    return load(parse(name), **options)


def _refusal(data: object, **options: Any) -> str:
    with pytest.raises(CommandError) as raised:
        _load(data, **options)
    assert raised.value.status == 2
    assert "\n" not in str(raised.value)
    return str(raised.value)


YAML = """\
provider: autogen_agentchat.teams.RoundRobinGroupChat
config:
  participants:
    - provider: autogen_agentchat.agents.AssistantAgent
      config:
        name: writer
        model_client: &model
          provider: autogen_ext.models.replay.ReplayChatCompletionClient
          config: {chat_completions: [one, two]}
        description: Writes.
        reflect_on_tool_use: no
        tool_call_summary_format: "{result}"
    - provider: autogen_agentchat.agents.SocietyOfMindAgent
      config:
        name: reader
        team:
          provider: autogen_agentchat.teams.RoundRobinGroupChat
          config:
            participants:
              - provider: autogen_agentchat.agents.UserProxyAgent
                config: {name: user, description: A person.}
        model_client: *model
        instruction: Read.
        response_prompt: Say.
"""


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (team(agent("a"), agent("b")), "team.json", "RoundRobinGroupChat"),
        (agent(), "agent.json", "AssistantAgent"),
        (YAML, "team.yaml", "RoundRobinGroupChat"),
        (with_tool(component("autogen_agentchat.tools.TeamTool", name="x", description="y",
            team=team(agent()), return_value_as_last_message=True)), "team.json",
            "RoundRobinGroupChat"),
    ],
)  # fmt: skip
async def test_each_build_makes_another_team(data: object, name: str, kind: str) -> None:
    """A file gives a team or an agent alone, anew each time."""
    source = _load(data, name)
    assert source.name == name
    first, second = await source.build(), await source.build()
    assert type(first).__name__ == type(second).__name__ == kind
    assert first is not second


async def test_a_team_of_a_file_runs() -> None:
    """What was built answers as its model says."""
    result = await (await _load(team(agent("a"), agent("b"))).build()).run(task="x")
    assert [getattr(it, "content", "") for it in result.messages] == ["x", "one", "one"]


# -- trust -------------------------------------------------------------------------------------


async def test_what_is_trusted_is_shown_and_built(
    capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    """All code of a file that is trusted stands on stderr, instead of AutoGen's warning."""
    source = _load(with_tool(TOOL), trust=True)
    assert not os.path.exists(MARKER)  # noqa: ASYNC240, PTH110 - only a build makes anything
    shown = capsys.readouterr().err
    assert shown.startswith(
        "supervisor: team.json: trusted: config.participants[1].config.workbench"
    )
    for line in ("import os", "from typing import Any", ".Path('marker').touch()", "return 'x'"):
        assert line in shown
    await source.build()
    assert os.path.exists(MARKER)  # noqa: ASYNC240, PTH110
    assert not recwarn.list


async def test_the_names_of_a_schema_would_be_run() -> None:
    """What needs trust for its JSON schema really runs it."""
    await _load(agent(structured_message_factory=SCHEMA), trust=True).build()
    assert os.path.exists(MARKER)  # noqa: ASYNC240, PTH110


def test_several_risks_are_in_one_line() -> None:
    """Who is asked for trust sees what for; from the sixth on only how many there are."""
    tools = [{**TOOL, "config": {**TOOL["config"], "name": str(it)}} for it in range(7)]
    said = _refusal(agent(tools=tools))
    assert said.count("(FunctionTool) runs code of the file") == 5
    assert said.endswith("; and 2 more; if you trust the file, add --trust")


@pytest.mark.parametrize(
    ("provider", "says"),
    [
        ("autogen_core.os.system", "names 'autogen_core.os.system', which does not exist"),
        ("autogen_ext.code_executors.local.Path", "which is no component class"),
        ("autogen_agentchat.agents.Nobody", "which does not exist"),
        ("autogen_core.tools.ToolSchema", "which is no component class"),
        ("autogen_core.tools._function_tool.FunctionToolConfig", "which is no component class"),
    ],
)
def test_trust_does_not_make_anything_a_component(provider: str, says: str) -> None:
    """What is loaded is a component class, defined in the package that was named."""
    assert says in _refusal(team(component(provider)), trust=True)


# -- the user's own classes --------------------------------------------------------------------


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a module of the user's."""
    Path("own_of_test.py").write_text(OWN)
    monkeypatch.setitem(sys.modules, "own_of_test", sys)
    del sys.modules["own_of_test"]


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("by", ["option", "variable"])
async def test_a_class_of_ones_own_is_loaded_if_it_is_allowed(
    by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found in the current folder, after all that is installed."""
    data = {**agent(), "provider": "own_of_test.Agent"}
    assert "only a package of your own can be allowed, by --allow NAME" in _refusal(data)
    assert "own_of_test" not in sys.modules
    if by == "variable":
        monkeypatch.setenv("AUTOGEN_ALLOWED_PROVIDER_NAMESPACES", "own_of_test")
    source = _load(data, allow=["own_of_test"] if by == "option" else [])
    assert type(await source.build()).__name__ == "Agent"
    assert sys.path[-1] == str(Path.cwd())


@pytest.mark.usefixtures("own")
async def test_a_class_of_ones_own_that_raises_is_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its traceback is shown, for it is the user's code that has failed."""
    data = {**agent("not a name"), "provider": "own_of_test.Agent"}
    assert "ValueError: The agent name must be a valid Python identifier" in await _failure(
        data, allow=["own_of_test"]
    )
    assert capsys.readouterr().err.startswith("Traceback (most recent call last):")


def test_a_package_of_ones_own_that_is_missing_is_named() -> None:
    """It is allowed, and not there."""
    said = _refusal(team(component("missing_of_test.Agent")), allow=["missing_of_test"])
    assert said.endswith("ModuleNotFoundError: No module named 'missing_of_test'")


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Plain", "which is no component class"),
        ("system", "which is no component class"),
        ("Nobody", "which does not exist"),
        ("UserProxyAgent", "which is defined elsewhere, in autogen_agentchat.agents"),
    ],
)
def test_of_what_is_allowed_only_its_own_components_are_loaded(name: str, says: str) -> None:
    """A module that is allowed does not allow what it has imported."""
    data = team(component(f"own_of_test.{name}"))
    if name == "UserProxyAgent":  # a component of AutoGen's, which is allowed anyway
        _load(
            team(component(f"own_of_test.{name}", name="x", description="y")), allow=["own_of_test"]
        )
        return
    assert says in _refusal(data, allow=["own_of_test"])


def test_a_module_of_ones_own_that_raises_is_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its traceback is shown, without our frames."""
    Path("broken_of_test.py").write_text("1 / 0\n")
    data = team(component("broken_of_test.Agent"))
    assert "cannot import 'broken_of_test.Agent': ZeroDivisionError" in _refusal(
        data, allow=["broken_of_test"]
    )
    shown = capsys.readouterr().err
    assert "broken_of_test.py" in shown
    assert "_cli" not in shown


# -- what does not fit -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (team(agent(), max_turns="many"), "config.max_turns does not fit: Input should be"),
        (team(agent(), max_turn=3), "config.max_turn is unknown; there is description, emit_"),
        (team(agent(description=None)), "config.participants[0].config.description does not"),
        (team({**agent(), "label": 3}), "config.participants[0].label does not fit"),
        (team({**agent(), "component_version": 1}),
            "config.participants[0] is of version 1, and AutoGen has 2; export it again"),
        (MODEL, "ReplayChatCompletionClient is neither a team nor an agent; give a file of one"),
        (component("autogen_agentchat.teams.Swarm"), "config.participants does not fit: Field"),
    ],
)  # fmt: skip
def test_what_does_not_fit_its_class_is_named(data: Config, says: str) -> None:
    """A wrong type, a key that AutoGen would ignore, another version."""
    assert says in _refusal(data)


async def _failure(data: Config, **options: Any) -> str:
    source = _load(data, **options)
    with pytest.raises(CommandError) as raised:
        await source.build()
    return str(raised.value)


async def test_what_autogen_refuses_is_named_with_its_place() -> None:
    """A component in the wrong place is found when the team is made."""
    said = await _failure(team(agent("a"), MODEL))
    assert said.startswith("team.json: config.participants[1] cannot be made: TypeError: ")


async def test_a_missing_key_is_named_with_its_place() -> None:
    """A model client without a key in the file or the environment."""
    client = component("autogen_ext.models.openai.OpenAIChatCompletionClient", model="gpt-4o-mini")
    said = await _failure(team(agent(model_client=client)))
    assert said.startswith("team.json: config.participants[0].config.model_client cannot be made: ")
    assert "OPENAI_API_KEY" in said


async def test_a_key_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file need not have the key of its model client."""
    monkeypatch.setenv("OPENAI_API_KEY", "of the user")
    client = component("openai_chat_completion_client", model="gpt-4o-mini")
    built: Any = await _load(agent(model_client=client)).build()
    await built._model_client.close()


def test_a_package_that_is_missing_is_named() -> None:
    """The line is what `pip install` takes."""
    client = component("autogen_ext.models.anthropic.AnthropicChatCompletionClient", model="x")
    said = _refusal(team(agent(model_client=client)))
    assert "config.participants[0].config.model_client" in said
    assert said.endswith("run: pip install 'autogen-ext[anthropic]'")


# -- galleries ---------------------------------------------------------------------------------

GALLERY = gallery(
    teams=[team(agent("a")), team(agent("b"), label="Second"), with_tool(TOOL)],
    agents=[agent("writer"), {**agent("writer"), "label": "Other writer"}, {}],
)


@pytest.mark.parametrize("data", [GALLERY, {"id": 3, "user_id": "x", "config": GALLERY}])
def test_a_gallery_is_no_team(data: Config) -> None:
    """The names that can be selected are listed."""
    said = _refusal(data)
    assert said == (
        "team.json: it is a gallery; take one out of it by --select NAME: 'Two writers', 'Second', "
        "'Two writers', 'Assistant', 'Other writer', 'without a name'"
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [("Second", "RoundRobinGroupChat"), ("Other writer", "AssistantAgent")],
)
async def test_one_is_taken_out_of_a_gallery(name: str, kind: str) -> None:
    """By its label; what else stands in the gallery does not matter."""
    source = _load(GALLERY, select=name)
    assert source.name == f"team.json ({name})"
    assert type(await source.build()).__name__ == kind


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Secnd", "it has no team or agent 'Secnd'; did you mean 'Second'?; it has 'Two writers'"),
        ("Two writers", "it has 2 teams and agents 'Two writers'"),
        ("writer", "it has 2 teams and agents 'writer'"),
        ("", "it has no team or agent ''"),
    ],
)
def test_a_name_that_selects_no_single_one_is_refused(name: str, says: str) -> None:
    """It may be none, or several."""
    assert says in _refusal(GALLERY, select=name)


def test_what_is_selected_needs_trust_as_a_file_does() -> None:
    """A tool with source in a gallery's team is found."""
    data = gallery(teams=[{**with_tool(TOOL), "label": "Tools"}], agents=[])
    assert "(FunctionTool) runs code of the file" in _refusal(data, select="Tools")


def test_a_team_has_nothing_to_select() -> None:
    """Selecting is for galleries."""
    assert _refusal(team(agent()), select="x") == "team.json: it is no gallery; leave --select out"


def test_an_empty_gallery_has_nothing_that_can_be_run() -> None:
    """It says so."""
    assert "nothing that can be run" in _refusal(gallery(teams=[], agents=[]))

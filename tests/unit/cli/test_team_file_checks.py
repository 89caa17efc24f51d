"""What a team file may name, what needs trust, and what is shown of it."""

from __future__ import annotations

import base64
import copy
import io
from typing import Any

import PIL.Image
import pytest

from supervisor._cli.errors import CommandError
from supervisor._cli.team_file.checks import allowed_namespaces, check
from supervisor._cli.team_file.nodes import FileError
from supervisor._cli.team_file.risk import Risk
from supervisor._cli.team_file.risks import risks
from tests.unit.cli.team_files import (
    EXECUTOR,
    HOSTILE,
    MODEL,
    SCHEMA,
    SERVER,
    TOOL,
    Config,
    agent,
    component,
    team,
    with_tool,
)

_VARIABLE = "AUTOGEN_ALLOWED_PROVIDER_NAMESPACES"
_OPENAI = "autogen_ext.models.openai.OpenAIChatCompletionClient"


def _risks(data: Config) -> list[Risk]:
    return risks(check(copy.deepcopy(data), ()))


def test_a_harmless_team_needs_nothing() -> None:
    """A team as Studio exports it, whose model answers from the file, passes."""
    found = check(team(agent("a"), agent("b")), ())
    assert [it.where for it in found] == [
        "the top level",
        "config.participants[0]",
        "config.participants[0].config.model_client",
        "config.participants[1]",
        "config.participants[1].config.model_client",
        "config.termination_condition",
    ]
    assert not risks(found)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_hostile_is_refused_or_needs_trust(name: str) -> None:
    """Nothing of it passes as harmless."""
    try:
        found = _risks(HOSTILE[name])
    except FileError:
        return
    assert found


@pytest.mark.parametrize(
    ("data", "where", "what", "detail"),
    [
        (
            with_tool(TOOL),
            "config.participants[1].config.workbench[0].config.tools[0]",
            "(FunctionTool) runs code of the file",
            "import os\nfrom typing import Any\n__import__('pathlib')",
        ),
        (
            team(agent(workbench=[SERVER])),
            "config.participants[0].config.workbench[0]",
            "(McpWorkbench) starts the program",
            "TOKEN=... /bin/sh -c 'touch marker'",
        ),
        (
            agent(structured_message_factory=SCHEMA),
            "config.structured_message_factory.config.json_schema['$defs']",
            "has a name that AutoGen runs as code",
            "__import__('pathlib')",
        ),
        (
            component("autogen_agentchat.agents.CodeExecutorAgent", code_executor=EXECUTOR),
            "config.code_executor",
            "(LocalCommandLineCodeExecutor) runs code that a model writes, on this machine",
            "work_dir /tmp/work",
        ),
        (
            team(agent(metadata={"x": [{"y z": TOOL}]})),
            "config.participants[0].config.metadata.x[0]['y z']",
            "(FunctionTool) runs code of the file",
            "import os",
        ),
    ],
)
def test_a_risk_is_shown_with_its_path_and_its_code(
    data: Config, where: str, what: str, detail: str
) -> None:
    """Who decides whether to trust a file sees where it does what, and by which command or code."""
    (risk,) = _risks(data)
    assert (risk.where, risk.what) == (where, what)
    assert risk.detail.startswith(detail)
    assert "secret" not in risk.in_full()


def test_all_that_decides_what_a_command_does_is_shown() -> None:
    """Its folder and its variables, but no secrets."""
    environment = {"PATH": "/tmp/x y", "GITHUB_TOKEN": "of the user", "api_key": "of the user"}
    params = {"command": "run", "args": ["a b"], "env": environment, "cwd": "/tmp"}
    (risk,) = _risks(
        agent(x=component("autogen_ext.tools.mcp.StdioMcpToolAdapter", server_params=params))
    )
    assert risk.detail == "(in /tmp) PATH='/tmp/x y' GITHUB_TOKEN=... api_key=... run 'a b'"


def test_a_tool_server_at_an_address_is_shown_with_it() -> None:
    """It acts for a model too, so it needs trust."""
    params = {"type": "SseServerParams", "url": "https://tools.example"}
    bench = component("autogen_ext.tools.mcp.McpWorkbench", server_params=params)
    (risk,) = _risks(agent(workbench=[bench]))
    assert risk.what == "(McpWorkbench) connects to the tool server"
    assert risk.detail == "https://tools.example"


def test_what_is_shown_of_a_risk_cannot_speak_to_the_terminal() -> None:
    """Control characters and marks of direction are written out; an error is one line."""
    hostile = "\x1b]0;title\x07\u202e\r\n\ud800"
    server = component("autogen_ext.tools.mcp.McpWorkbench", server_params={"command": hostile})
    tool = component("autogen_core.tools.FunctionTool", source_code=f"x = 1\n{hostile}")
    for risk in _risks(team(agent(workbench=[server], tools=[tool]))):
        shown = risk.in_one_line() + risk.in_full().replace("\n", "")
        assert shown.isprintable()
        assert "\n" not in risk.in_one_line()


def test_a_long_code_is_shortened_in_an_error_alone() -> None:
    """The error has its beginning and its length, and what is trusted is shown whole."""
    tool = component("autogen_core.tools.FunctionTool", source_code="x = 1\n" * 1000)
    (risk,) = _risks(agent(tools=[tool]))
    assert risk.in_one_line().endswith("... (6000 characters)")
    assert risk.in_full().count("x = 1") == 1000


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, "no mapping with a provider and a config at the top level"),
        ([], "no mapping with a provider and a config at the top level"),
        (None, "no mapping with a provider and a config at the top level"),
        ({"provder": "x", "config": {}}, "has to be text; 'provder' may be meant for it"),
        ({"provider": "x"}, "it has no config at the top level, which has to be a mapping"),
        ({"provider": 1, "config": {}}, "provider at the top level has to be text"),
        ({"provider": "x", "config": []}, "config at the top level has to be a mapping"),
        ({"component": team()}, "put what is under 'component' into a file"),
        ({"team_type": "RoundRobinGroupChat"}, "the format of an early AutoGen 0.4"),
        ({**team(), "lable": "x"}, "has the unknown key 'lable' (did you mean 'label'?)"),
        (team({**agent(), "x\n": 1}), "config.participants[0] has the unknown key 'x\\n'"),
        (team(component("os.system")), "config.participants[0] names 'os.system', which is not"),
        (team(component("autogen_corex.A")), "which is not AutoGen's"),
        (team(component("system")), "which is not the full name of a class"),
        (team(component("autogen_core..A")), "which is not the full name of a class"),
        (team(component("autogen_core.A\n")), "which is not the full name of a class"),
        (team(component(_OPENAI, api_key="**********")), "[0].config.api_key was masked"),
        ({"provider": _OPENAI, "config": {1: 2}}, "the key 1 in config has to be text"),
        ({"provider": _OPENAI, "config": {"x": {1, 2}}}, "config.x is a set, which JSON"),
    ],
)
def test_what_is_no_component_is_refused(data: Any, says: str) -> None:
    """The line has the path in the file, and what to do where that is known."""
    with pytest.raises(FileError) as raised:
        check(data, ())
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_data_that_is_nested_very_deeply_is_refused() -> None:
    """Nothing that walks through it may run out of stack."""
    data: list[Any] = []
    for _ in range(200):
        data = [data]
    with pytest.raises(FileError, match="nested more than 100 levels deep"):
        check(component(_OPENAI, x=data), ())


def test_a_short_name_is_replaced_by_the_full_one() -> None:
    """What is loaded is what was looked at."""
    data = component("OpenAIChatCompletionClient", model="x")
    (found,) = check(data, ())
    assert found.provider == data["provider"] == _OPENAI


def test_a_mapping_that_is_no_component_may_have_a_provider() -> None:
    """What AutoGen's loader would not take for a component is not looked up."""
    assert len(check(agent(metadata={"provider": "openai", "config": "x"}), ())) == 2


# -- namespaces that are allowed ---------------------------------------------------------------


@pytest.mark.parametrize("provider", ["mine.Agent", "mine.agents.Agent", "other.part.Agent"])
def test_a_namespace_can_be_allowed(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the command line, and by AutoGen's own variable."""
    monkeypatch.setenv(_VARIABLE, " other.part , other.more.,")
    namespaces = allowed_namespaces(["mine"])
    assert namespaces == ("mine", "other.part", "other.more")
    assert not risks(check(team(component(provider)), namespaces))


@pytest.mark.parametrize("provider", ["miner.Agent", "other.Agent", "other.parts.Agent", "mine"])
def test_a_namespace_is_a_whole_package(provider: str) -> None:
    """A name that only begins like an allowed one is refused."""
    with pytest.raises(FileError):
        check(team(component(provider)), ("mine", "other.part"))


@pytest.mark.parametrize("name", ["", "*", "a b", ".", "a..b", "../x"])
def test_a_namespace_is_the_name_of_a_module(name: str) -> None:
    """Anything else is an error, so that nobody allows more than was meant."""
    with pytest.raises(CommandError, match="--allow takes the name of a module"):
        allowed_namespaces([name])


# -- secrets -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "is_sent"),
    [
        ({"base_url": "https://models.example"}, True),
        ({"base_url": "https://api.openai.com.example/v1"}, True),
        ({"base_url": "https://api.openai.com@models.example"}, True),
        ({"base_url": "http://[bad"}, True),
        ({"base_url": "https://models.example", "api_key": "of the file"}, False),
        ({"base_url": "http://localhost:1234/v1"}, False),
        ({"base_url": "https://api.openai.com/v1"}, False),
        ({}, False),
    ],
)
def test_a_key_of_the_environment_goes_nowhere_without_trust(
    monkeypatch: pytest.MonkeyPatch, config: Config, is_sent: bool
) -> None:
    """A file that names an address and no key would send the user's own key there."""
    monkeypatch.setenv("OPENAI_API_KEY", "of the user")
    found = _risks(component(_OPENAI, model="x", **config))
    assert [it.what for it in found] == (
        ["(OpenAIChatCompletionClient) sends OPENAI_API_KEY of the environment"] if is_sent else []
    )


def test_a_key_that_is_not_there_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key in the environment an address of its own is harmless."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert not _risks(component(_OPENAI, model="x", base_url="https://models.example"))


@pytest.mark.parametrize(
    ("config", "variable"),
    [
        ({"api_key": "of the file"}, "AZURE_OPENAI_AD_TOKEN"),
        ({"azure_ad_token": "of the file"}, "AZURE_OPENAI_API_KEY"),
    ],
)
def test_each_secret_that_the_file_does_not_replace_counts(
    monkeypatch: pytest.MonkeyPatch, config: Config, variable: str
) -> None:
    """A client of Azure's takes a key and a token from the environment."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "of the user")
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "of the user")
    provider = "autogen_ext.models.openai.AzureOpenAIChatCompletionClient"
    (risk,) = _risks(component(provider, azure_endpoint="https://models.example", **config))
    assert risk.what.endswith(f"sends {variable} of the environment")
    assert risk.detail == "https://models.example"


def test_a_model_in_a_file_is_harmless() -> None:
    """The model of these tests is."""
    assert not _risks(MODEL)


# -- what looks like data ----------------------------------------------------------------------


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "EPS", "TIFF"])
def test_a_picture_is_harmless_in_a_known_form(form: str) -> None:
    """Pillow starts a program for some, and others can contain those."""
    file = io.BytesIO()
    PIL.Image.new("RGB", (2, 2)).save(file, form)
    data = base64.b64encode(file.getvalue()).decode()
    found = _risks(agent(memory=[component("autogen_core.memory.ListMemory", x={"data": data})]))
    assert bool(found) is (form in ("BMP", "EPS", "TIFF"))


def test_what_is_no_base64_is_no_picture() -> None:
    """AutoGen cannot read it as one, so nothing of it is run."""
    assert not _risks(agent(memory=[component("autogen_core.memory.ListMemory", x={"data": "a"})]))


@pytest.mark.parametrize(
    ("text", "is_risky"),
    [
        ("{city}: {degrees:.1f}, {{a}} {0!r:>10.3}", False),
        ("{city.__class__}", True),
        ("{city[0]}", True),
        ("{degrees:{width.real}}", True),
    ],
)
def test_a_format_may_not_read_attributes(text: str, is_risky: bool) -> None:
    """A dot in a width is none of an attribute."""
    assert bool(_risks(agent(structured_message_factory={"format_string": text}))) is is_risky


@pytest.mark.parametrize(
    ("name", "is_risky"), [("Address", False), ("List_int_", False), ("a.b", True), ("a()", True)]
)
def test_a_definition_may_have_a_plain_name_alone(name: str, is_risky: bool) -> None:
    """AutoGen evaluates the others."""
    assert bool(_risks(agent(x={"json_schema": {"$defs": {name: {}}}}))) is is_risky

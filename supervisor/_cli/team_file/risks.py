"""What in a team file needs the user's trust, and what is shown of it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from supervisor._cli.team_file.checks import is_in, unknown
from supervisor._cli.team_file.hidden_code import hidden_code
from supervisor._cli.team_file.nodes import Component, as_list, as_mapping
from supervisor._cli.team_file.providers import HARMLESS, PACKAGES, RISKY
from supervisor._cli.team_file.risk import Risk

# Where a file may name the address: the key for that, and each secret that is taken from the
# environment, with the key that takes its place, "" if none does.
_CLIENTS: Final = {
    "autogen_ext.models.anthropic.AnthropicChatCompletionClient": (
        "base_url",
        {"ANTHROPIC_API_KEY": "api_key", "ANTHROPIC_AUTH_TOKEN": ""},
    ),
    "autogen_ext.models.ollama.OllamaChatCompletionClient": ("host", {"OLLAMA_API_KEY": ""}),
    "autogen_ext.models.openai.AzureOpenAIChatCompletionClient": (
        "azure_endpoint",
        {"AZURE_OPENAI_API_KEY": "api_key", "AZURE_OPENAI_AD_TOKEN": "azure_ad_token"},
    ),
    "autogen_ext.models.openai.OpenAIChatCompletionClient": (
        "base_url",
        {"OPENAI_API_KEY": "api_key", "OPENAI_ADMIN_KEY": "api_key"},
    ),
}
_SHOWN: Final = (
    *("image", "init_command", "extra_volumes", "bind_dir", "work_dir", "directory"),
    *("kernel_name", "start_page", "browser_data_dir"),
    *("scheme", "host", "port", "path", "endpoint", "url", "scopes"),
)
# Names of variables whose values are not shown. Others are: `PATH` decides what a command is.
_SECRET: Final = re.compile("KEY|TOKEN|SECRET|PASS|AUTH|CREDENTIAL", re.IGNORECASE)
_KNOWN_HOSTS: Final = (
    "api.anthropic.com",
    "api.openai.com",
    "localhost",
    "ollama.com",
    "127.0.0.1",
    "::1",
)
_KNOWN_DOMAINS: Final = (".openai.azure.com", ".cognitiveservices.azure.com")


def risks(components: Sequence[Component]) -> list[Risk]:
    """Return what needs trust.

    Args:
        components: Those of a file, the outermost first.
    """
    found = [risk for component in components for risk in _risks(component)]
    return found + list(hidden_code(components[0].node))


def _risks(component: Component) -> Iterator[Risk]:
    provider, where = component.provider, component.where
    name = provider.rpartition(".")[2]
    if provider in RISKY:
        what, detail = _explained(component)
        yield Risk(where, f"({name}) {what}", detail)
    elif is_in(provider, PACKAGES) and provider not in HARMLESS:
        known = [*HARMLESS, *RISKY]
        yield Risk(where, f"names {unknown(provider, known)}, which is not known to be harmless")
    if sent := _secrets_sent(component):
        yield Risk(where, f"({name}) sends {sent[0]} of the environment", sent[1])


def _explained(component: Component) -> tuple[str, str]:
    """Return what a component does, and its code, command, address or folder."""
    config, what = component.config, RISKY[component.provider]
    if "source_code" in config:
        return what, "\n".join([*_imports(config), str(config["source_code"])])
    if server := as_mapping(config.get("server_params")):
        return _server(server)
    return what, ", ".join(f"{key} {config[key]}" for key in _SHOWN if config.get(key))


def _imports(config: dict[str, Any]) -> Iterator[str]:
    for it in as_list(config.get("global_imports")):
        module = as_mapping(it)
        names = ", ".join(map(str, as_list(module.get("imports"))))
        yield f"from {module.get('module')} import {names}" if names else f"import {it}"


def _server(server: dict[str, Any]) -> tuple[str, str]:
    if "command" not in server:
        return "connects to the tool server", str(server.get("url", ""))
    words = map(str, [server["command"], *as_list(server.get("args"))])
    folder = f"(in {server['cwd']}) " if server.get("cwd") else ""
    variables = [
        f"{name}={'...' if _SECRET.search(name) else shlex.quote(str(value))} "
        for name, value in as_mapping(server.get("env")).items()
    ]
    return "starts the program", "".join([folder, *variables, shlex.join(words)])


def _secrets_sent(component: Component) -> tuple[str, str] | None:
    """Return the variables of the environment that a client would send, and where to."""
    if component.provider not in _CLIENTS:
        return None
    key, variables = _CLIENTS[component.provider]
    config, address = component.config, component.config.get(key)
    if not isinstance(address, str) or _is_known(address):
        return None
    sent = [it for it, own in variables.items() if os.environ.get(it) and not config.get(own)]
    return (" and ".join(sent), address) if sent else None


def _is_known(address: str) -> bool:
    try:
        host = urlsplit(address if "//" in address else f"//{address}").hostname or ""
    except ValueError:
        return False
    return host in _KNOWN_HOSTS or host.endswith(_KNOWN_DOMAINS)

"""What in a team file needs the user's trust, and what is shown of it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from supervisor._cli.team_file.checks import is_in, unknown
from supervisor._cli.team_file.nodes import Component, as_list, as_mapping, at, shown, walk
from supervisor._cli.team_file.providers import HARMLESS, PACKAGES, RISKY

# Where a file may name the address: the key for that, those for a secret, and the secret that is
# taken from the environment if the file has none.
_CLIENTS: Final = {
    "autogen_ext.models.anthropic.AnthropicChatCompletionClient": (
        ("base_url", ("api_key",), "ANTHROPIC_API_KEY")
    ),
    "autogen_ext.models.ollama.OllamaChatCompletionClient": (("host", (), "OLLAMA_API_KEY")),
    "autogen_ext.models.openai.AzureOpenAIChatCompletionClient": (
        ("azure_endpoint", ("api_key",), "AZURE_OPENAI_API_KEY")
    ),
    "autogen_ext.models.openai.OpenAIChatCompletionClient": (
        ("base_url", ("api_key",), "OPENAI_API_KEY")
    ),
}
_SHOWN: Final = (
    *("image", "init_command", "extra_volumes", "bind_dir", "work_dir", "directory"),
    *("kernel_name", "start_page", "browser_data_dir"),
    *("scheme", "host", "port", "path", "endpoint", "url", "scopes"),
)
_KNOWN_HOSTS: Final = (
    "api.anthropic.com",
    "api.openai.com",
    "localhost",
    "ollama.com",
    "127.0.0.1",
    "::1",
)
_KNOWN_DOMAINS: Final = (".openai.azure.com", ".cognitiveservices.azure.com")


@dataclass(frozen=True)
class Risk:
    """Something that needs trust.

    Args:
        where: Its path in the file.
        what: What it does.
        detail: The command, address or code, "" if there is none.
    """

    where: str
    what: str
    detail: str = ""

    def in_one_line(self) -> str:
        """Return it for an error."""
        detail = f": {shown(self.detail)}" if self.detail else ""
        return f"{self.where} {self.what}{detail}"

    def in_full(self) -> str:
        """Return it with each line of its code."""
        lines = self.detail.splitlines()
        if len(lines) <= 1:
            return f"{self.where} {self.what}{f': {_printable(self.detail)}' if lines else ''}"
        return "\n    ".join([f"{self.where} {self.what}:", *map(_printable, lines)])


def risks(components: Sequence[Component]) -> list[Risk]:
    """Return what needs trust.

    Args:
        components: Those of a file, the outermost first.
    """
    found = [risk for component in components for risk in _risks(component)]
    return found + list(_code_in_schemas(components[0].node))


def _risks(component: Component) -> Iterator[Risk]:
    provider, where = component.provider, component.where
    name = provider.rpartition(".")[2]
    if provider in RISKY:
        what, detail = _explained(component)
        yield Risk(where, f"({name}) {what}", detail)
    elif is_in(provider, PACKAGES) and provider not in HARMLESS:
        known = [*HARMLESS, *RISKY]
        yield Risk(where, f"names {unknown(provider, known)}, which is not known to be harmless")
    if secret := _secret_sent(component):
        yield Risk(where, f"({name}) sends {secret[0]} of the environment", secret[1])


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
    # Values are left out: tokens of servers stand there.
    names = [f"{name}=..." for name in as_mapping(server.get("env"))]
    return "starts the program", " ".join([*names, shlex.join(words)])


def _secret_sent(component: Component) -> tuple[str, str] | None:
    """Return the variable of the environment that a client would send, and where to."""
    if component.provider not in _CLIENTS:
        return None
    key, secrets, variable = _CLIENTS[component.provider]
    address = component.config.get(key)
    if not isinstance(address, str) or any(component.config.get(it) for it in secrets):
        return None
    return (variable, address) if os.environ.get(variable) and not _is_known(address) else None


def _is_known(address: str) -> bool:
    try:
        host = urlsplit(address if "//" in address else f"//{address}").hostname or ""
    except ValueError:
        return False
    return host in _KNOWN_HOSTS or host.endswith(_KNOWN_DOMAINS)


def _code_in_schemas(data: object) -> Iterator[Risk]:
    """Yield each definition in a JSON schema whose name AutoGen 0.7 would evaluate.

    It makes a forward reference of the name, and pydantic evaluates that. A plain name is harmless.
    """
    for path, value in walk(data):
        if path and path[-1] == "$defs":
            for name in as_mapping(value):
                if not name.isidentifier():
                    yield Risk(at(path), "has a name that AutoGen runs as code", name)


def _printable(text: str) -> str:
    """Return a text whose control characters are written out: a terminal would obey them."""
    return "".join(
        character if character.isprintable() or character == "\t" else repr(character)[1:-1]
        for character in text
    )

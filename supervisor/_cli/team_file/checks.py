"""What is checked of a team file before anything that it names is imported."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from supervisor._cli.errors import CommandError
from supervisor._cli.team_file.nodes import (
    Component,
    FileError,
    as_mapping,
    at,
    components,
    is_component,
    shown,
    walk,
)
from supervisor._cli.team_file.providers import ALIASES, PACKAGES

_VARIABLE: Final = "AUTOGEN_ALLOWED_PROVIDER_NAMESPACES"  # as AutoGen has it since 0.7.5
_KEYS: Final = (
    "provider",
    "component_type",
    "version",
    "component_version",
    "description",
    "label",
    "config",
)
_DOTTED: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_MASKED: Final = "**********"  # as pydantic shows a secret


def allowed_namespaces(allow: Iterable[str]) -> tuple[str, ...]:
    """Return the namespaces that the user allows, by arguments and by the environment.

    Raises:
        CommandError: One is no name of a module.
    """
    from_environment = [part.strip() for part in os.environ.get(_VARIABLE, "").split(",")]
    sources = [("--allow", name) for name in allow]
    sources += [(_VARIABLE, name) for name in from_environment if name]
    for source, name in sources:
        if not _DOTTED.fullmatch(name.rstrip(".")):
            raise CommandError(f"{source} takes the name of a module, and {name!r} is none")
    return tuple(name.rstrip(".") for _, name in sources)


def check(data: Any, namespaces: Sequence[str]) -> list[Component]:
    """Return the components of a file, whose aliases are replaced by full names.

    Args:
        data: The file's data, or a part of it.
        namespaces: Those that the user allows, besides AutoGen's own.

    Raises:
        FileError: A component has a key that AutoGen does not know, or names a class that it may
            not name.
    """
    if not is_component(data):
        raise FileError(_no_component(as_mapping(data)))
    found = list(components(data))
    for component in found:
        _check_keys(component)
        component.node["provider"] = ALIASES.get(component.provider, component.provider)
        _check_provider(component, namespaces)
    _check_secrets(data)
    return found


def is_in(provider: str, namespaces: Iterable[str]) -> bool:
    """Return whether a class, by its full name, is in one of some packages."""
    return any(provider.startswith(f"{name}.") for name in namespaces)


def _no_component(data: dict[str, Any]) -> str:
    if not data:
        return "it has no mapping with a provider and a config at the top level"
    if isinstance(data.get("component"), dict):
        return "it is a record of AutoGen Studio; put what is under 'component' into a file"
    if "team_type" in data or "agent_type" in data:
        return "it has the format of an early AutoGen 0.4; export it again with a later one"
    for key, kind in (("provider", "text"), ("config", "a mapping")):
        if key in data:
            continue
        close = difflib.get_close_matches(key, map(str, data), n=1)
        meant = f"; {shown(close[0])} may be meant for it" if close else ""
        return f"it has no {key} at the top level, which has to be {kind}{meant}"
    wrong = "config" if isinstance(data["provider"], str) else "provider"
    return f"{wrong} at the top level has to be {'text' if wrong == 'provider' else 'a mapping'}"


def _check_keys(component: Component) -> None:
    for key in component.node:
        if key not in _KEYS:
            raise FileError(f"{component.where} has the unknown key {unknown(key, _KEYS)}")


def _check_provider(component: Component, namespaces: Sequence[str]) -> None:
    provider = component.provider
    if not _DOTTED.fullmatch(provider) or "." not in provider:
        raise FileError(
            f"{component.where} has the provider {shown(provider)}, "
            "which is not the full name of a class"
        )
    if not is_in(provider, (*PACKAGES, *namespaces)):
        raise FileError(
            f"{component.where} names {shown(provider)}, which is not AutoGen's; "
            "only a package of your own can be allowed, by --allow NAME"
        )


def _check_secrets(data: Any) -> None:
    for path, value in walk(data):
        if value == _MASKED:
            raise FileError(
                f"{at(path)} was masked when it was exported; write the secret there, "
                "or delete the key to take the secret from the environment"
            )


def unknown(name: str, known: Collection[str]) -> str:
    """Return a name in quotes, with the known name that it is close to."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return f"{shown(name)} (did you mean {close[0]!r}?)" if close else shown(name)

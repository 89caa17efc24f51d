"""Teams and agents from AutoGen's component format: the classes that it names, and what they take.

Nothing here decides whether a config can be trusted: that comes before.
"""

from __future__ import annotations

import copy
import importlib
import warnings
from collections.abc import Sequence
from typing import Any, cast

from autogen_core import ComponentLoader, ComponentModel, is_component_class
from pydantic import BaseModel, ValidationError

from supervisor._autogen import upstream
from supervisor._autogen.adapter import Runnable

Location = tuple[str | int, ...]


class NoComponentError(Exception):
    """A name that is none of a component class; the text goes on from the name."""


def class_of(provider: str, packages: Sequence[str]) -> type:
    """Import the class that a provider names.

    Args:
        provider: Its full name.
        packages: Where it has to be defined: what a package has imported is not its own.

    Raises:
        NoComponentError: There is no such class, or it is no component of these packages.
        ImportError: Its module needs something that is missing.
    """
    module_name, _, name = provider.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        package, _, _ = module_name.partition(".")
        if error.name == package or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # a package is missing: its own, or one that it needs
        raise NoComponentError("which does not exist") from None
    found = vars(module).get(name)
    if found is None:
        raise NoComponentError("which does not exist")
    if not isinstance(found, type) or not is_component_class(found):
        raise NoComponentError("which is no component class")
    if not any(f"{found.__module__}.".startswith(f"{package}.") for package in packages):
        raise NoComponentError(f"which is defined elsewhere, in {found.__module__}")
    return found


def can_run(component_class: type) -> bool:
    """Return whether a component is a team or an agent."""
    return callable(getattr(component_class, "run_stream", None))


def mismatch(component_class: type, node: dict[str, Any]) -> tuple[Location, str] | None:
    """Return where a component does not fit its class, and how; None if it fits.

    Unknown keys count: AutoGen ignores them, and the team would not be what its file says.
    """
    cls = cast("Any", component_class)
    version, current = node.get("component_version"), cls.component_version
    if isinstance(version, int) and 0 < version < current:
        return (), f"is of version {version}, and AutoGen has {current}; export it again"
    schema: type[BaseModel] = cls.component_config_schema
    wrong = _invalid(ComponentModel, node) or _invalid(schema, node["config"], "config")
    return wrong or _unknown_key(schema, node["config"])


def _invalid(schema: type[BaseModel], data: Any, *where: str) -> tuple[Location, str] | None:
    try:
        schema.model_validate(copy.deepcopy(data))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return (*where, *first["loc"]), f"does not fit: {first['msg']}"
    return None


def _unknown_key(schema: type[BaseModel], config: dict[str, Any]) -> tuple[Location, str] | None:
    if schema.model_config.get("extra") == "allow":
        return None
    known = set(schema.model_fields)
    known.update(it.alias for it in schema.model_fields.values() if it.alias)
    unknown = next((key for key in config if key not in known), None)
    if unknown is None:
        return None
    return ("config", unknown), f"is unknown; there is {', '.join(sorted(known))}"


def load(node: dict[str, Any]) -> Runnable:
    """Make a team or an agent from a config, which stays as it is."""
    with warnings.catch_warnings():
        # It says that code of the file is run, which the user has been told, and has agreed to.
        warnings.filterwarnings("ignore", "\\n.*SECURITY WARNING", UserWarning)
        return cast("Runnable", ComponentLoader.load_component(copy.deepcopy(node), object))


def nodes_of_failure(error: BaseException) -> list[dict[str, Any]]:
    """Return what AutoGen was making as an error was raised, each inside of the one before it."""
    return [
        {"provider": it.provider, "config": it.config}
        for it in upstream.components_at_failure(error)
    ]

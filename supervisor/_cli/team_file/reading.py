"""A team file's text as plain data, with nothing in it that JSON does not have.

YAML is read by safe loading, so that tags construct nothing, and dates stay text, as in
`api_version: 2024-06-01`. An alias is followed, as long as the data does not become much larger.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final, NoReturn, cast

from supervisor._cli.extras import require
from supervisor._cli.team_file.nodes import FileError, at, walk

_LARGEST: Final = {"JSON": 10_000_000, "YAML": 1_000_000}  # YAML takes seconds for a megabyte
_MOST_NODES: Final = 1_000_000


def read(place: str) -> Any:
    """Return the data of a file.

    Args:
        place: The path, which ends with .json, .yaml or .yml.

    Raises:
        FileError: It cannot be read.
        CommandError: What reads YAML is not installed.
    """
    form = "JSON" if place.lower().endswith(".json") else "YAML"
    text = _text(place, _LARGEST[form])
    try:
        return _from_json(text) if form == "JSON" else _from_yaml(text)
    except RecursionError:
        raise FileError("it is nested too deeply") from None
    except (ValueError, LookupError) as error:  # such as from `!!bool maybe`
        raise FileError(f"it is no valid {form}: {error}") from None


def _text(place: str, largest: int) -> str:
    try:
        with Path(place).open("rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise FileError(f"it cannot be read: {error.strerror}") from None
    if len(data) > largest:
        raise FileError(f"it is larger than {largest // 1_000_000} MB, which no team file is")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"it is not UTF-8, from byte {error.start} on") from None


# -- JSON --------------------------------------------------------------------------------------


def _from_json(text: str) -> Any:
    doubled: list[tuple[dict[str, Any], str]] = []

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            doubled.append((made, _twice([key for key, _ in pairs])))
        return made

    data = json.loads(text, object_pairs_hook=build, parse_constant=_refuse_constant)
    if doubled:
        # The last one is in the data: an object that another one's second key has replaced is not.
        found, key = doubled[-1]
        path = next(path for path, value in walk(data) if value is found)
        raise FileError(f"the key {key!r} stands twice in {at(path)}")
    return data


def _twice(keys: list[str]) -> str:
    """Return the first key that stands in a list twice."""
    return next(key for key, count in Counter(keys).items() if count > 1)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it has {name}, which JSON does not know")


# -- YAML --------------------------------------------------------------------------------------


def _from_yaml(text: str) -> Any:
    yaml = require("yaml", "a team file in YAML")
    loader = _loader_class(yaml)(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _measure(node)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise FileError(f"it is no valid YAML: {_one_line(error)}") from None
    except yaml.YAMLError as error:
        raise FileError(f"it is no valid YAML: {' '.join(str(error).split())}") from None
    finally:
        loader.dispose()


def _one_line(error: Any) -> str:
    """Return what is wrong and where, without the lines of the file around it."""
    context, problem = error.context or "", error.problem or ""
    said = problem if context.startswith("while") else f"{context} {problem}".strip()
    mark = error.problem_mark
    return f"{said} (line {mark.line + 1}, column {mark.column + 1})" if mark else said


def _loader_class(yaml: Any) -> Any:
    """Return a safe loader that constructs what JSON has, and refuses all other tags."""
    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    prefix = "tag:yaml.org,2002:"
    known = {f"{prefix}{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")}

    class Loader(base):  # type: ignore[misc]
        yaml_constructors = {  # noqa: RUF012 - PyYAML's own way
            tag: constructor
            for tag, constructor in base.yaml_constructors.items()
            if tag is None or tag in known
        }
        yaml_implicit_resolvers = {  # noqa: RUF012
            first: [(tag, pattern) for tag, pattern in rows if not tag.endswith(":timestamp")]
            for first, rows in base.yaml_implicit_resolvers.items()
        }

    return Loader


def _measure(root: Any) -> None:
    """Refuse what has cycles, keys that stand twice, or grows without measure by its aliases.

    Raises:
        FileError: It is such.
    """
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()
    waiting: list[tuple[Any, bool]] = [(root, False)]
    while waiting:
        node, are_children_done = waiting.pop()
        children = _children(node)
        if are_children_done:
            open_nodes.discard(id(node))
            sizes[id(node)] = 1 + sum(sizes[id(child)] for child in children)
            if sizes[id(node)] > _MOST_NODES:
                raise FileError("its aliases make it too large")
        elif id(node) in open_nodes:
            raise FileError(f"an alias contains itself ({_line(node)})")
        elif id(node) not in sizes:
            open_nodes.add(id(node))
            waiting.append((node, True))
            waiting.extend((child, False) for child in children)


def _children(node: Any) -> list[Any]:
    if isinstance(node.value, str):
        return []
    if node.id != "mapping":
        return cast("list[Any]", node.value)
    pairs = cast("list[tuple[Any, Any]]", node.value)
    keys = [key.value for key, _ in pairs if isinstance(key.value, str)]
    if len(set(keys)) < len(keys):
        raise FileError(f"the key {_twice(keys)!r} stands twice in one mapping ({_line(node)})")
    return [child for pair in pairs for child in pair]


def _line(node: Any) -> str:
    return f"line {node.start_mark.line + 1}"

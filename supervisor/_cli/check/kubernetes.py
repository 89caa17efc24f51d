"""Kubernetes manifests: `terminationGracePeriodSeconds`, `preStop` hooks, commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from supervisor._cli.check import rules
from supervisor._cli.check.deployment import Deployment
from supervisor._cli.check.durations import seconds
from supervisor._cli.check.finding import Finding, note, problem
from supervisor._cli.check.program_words import program

_DEFAULT_SECONDS: Final = 30.0
_SETTING: Final = "terminationGracePeriodSeconds"
_Node = Mapping[str, Any]


def is_manifest(document: object) -> bool:
    """Return whether a document is a manifest."""
    found = _node(document)
    return "kind" in found and "apiVersion" in found


def look(name: str, document: _Node) -> Iterator[Finding]:
    """Yield what there is to say of each container of a manifest."""
    for item in _nodes(document.get("items")):
        yield from look(name, item)
    pod = _pod(document)
    kind, own = document.get("kind"), _node(document.get("metadata")).get("name", "?")
    for container in _nodes(pod.get("containers")):
        where = f"{name}: {kind}/{own} container {container.get('name', '?')}"
        yield from _container(where, pod, container)


def _pod(document: _Node) -> _Node:
    """Return the pod's spec, wherever the kind has it."""
    spec = _node(document.get("spec"))
    for step in ("jobTemplate", "template"):
        if step in spec:
            spec = _node(_node(spec[step]).get("spec"))
    return spec


def _container(where: str, pod: _Node, container: _Node) -> Iterator[Finding]:
    given = pod.get(_SETTING)
    grace = _DEFAULT_SECONDS if given is None else seconds(given)
    if grace is None:
        yield problem(where, f"{_SETTING} {given!r} cannot be read", "give whole seconds")
        grace = _DEFAULT_SECONDS
    hook = _node(_node(container.get("lifecycle")).get("preStop"))
    before = _hook_seconds(hook)
    if before is None:
        yield note(where, f"the time of its preStop hook is not known; it is part of {_SETTING}")
    if container.get("envFrom"):
        yield note(where, "envFrom is not read here: SUPERVISOR_GRACE may stand in it")
    words = [*_texts(container.get("command")), *_texts(container.get("args"))]
    yield from rules.look(
        Deployment(
            where=where,
            words=tuple(words),
            environ=dict(map(_variable, _nodes(container.get("env")))),
            kill_setting=_SETTING,
            kill_seconds=grace,
            before=before or 0.0,
            has_init=pod.get("shareProcessNamespace") is True,
        )
    )


def _variable(entry: _Node) -> tuple[str, str]:
    """Return the name and the value of a variable; "$" and its source where it has no value."""
    value = "$valueFrom" if "valueFrom" in entry else entry.get("value", "")
    return str(entry.get("name")), str(value)


def _hook_seconds(hook: _Node) -> float | None:
    """Return the seconds of a preStop hook; None where they are not known."""
    if not hook:
        return 0.0
    if "sleep" in hook:
        return seconds(_node(hook["sleep"]).get("seconds"))
    words = program(_texts(_node(hook.get("exec")).get("command"))).words
    match words:
        case [name, time] if name.endswith("sleep"):
            return seconds(time)
        case _:
            return None


def _node(value: object) -> _Node:
    return cast("_Node", value) if isinstance(value, Mapping) else {}


def _nodes(value: object) -> list[_Node]:
    return [_node(each) for each in cast("list[object]", value)] if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    return list(map(str, cast("list[object]", value))) if isinstance(value, list) else []

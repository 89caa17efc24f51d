"""The files that are checked: what each is, told by what it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from supervisor._cli import paths
from supervisor._cli.check import compose, dockerfile, kubernetes, systemd
from supervisor._cli.check.finding import Finding, note
from supervisor._cli.errors import CommandError
from supervisor._cli.extras import require

_LARGEST: Final = 1_000_000
_YAML: Final = (".yaml", ".yml", ".json")
_KINDS: Final = "a compose file, a Kubernetes manifest, a systemd unit or a Dockerfile"


def is_deployment(word: str) -> bool:
    """Return whether a word names a file that is checked as one, and is no target.

    Raises:
        CommandError: It is a file that cannot be read.
    """
    path = Path(word)
    if not paths.is_file(path) or path.suffix == ".py":
        return False
    text = _text(path)
    if systemd.is_unit(text) or dockerfile.is_dockerfile(path.name, text):
        return True
    return path.suffix.lower() in _YAML and any(map(_is_known, _documents(path, text)))


def look(word: str) -> Iterator[Finding]:
    """Yield what there is to say of a file.

    Raises:
        CommandError: It cannot be read.
    """
    path = Path(word)
    text = _text(path)
    found = False
    if dockerfile.is_dockerfile(path.name, text):
        yield from dockerfile.look(word, text)
        return
    if path.suffix.lower() not in _YAML:
        yield from systemd.look(word, text)
        return
    for document in _documents(path, text):
        for finding in _document(word, document):
            found = True
            yield finding
    if not found:
        yield note(word, "nothing in it starts a program")


def _is_known(document: object) -> bool:
    return compose.is_compose(document) or kubernetes.is_manifest(document)


def _document(word: str, document: Any) -> Iterator[Finding]:
    if compose.is_compose(document):
        yield from compose.look(word, document)
    elif kubernetes.is_manifest(document):
        yield from kubernetes.look(word, document)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise CommandError(f"{path} is larger than 1 MB; give {_KINDS}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}; give {_KINDS}") from None


def _documents(path: Path, text: str) -> list[Any]:
    yaml = require("yaml", "to read YAML")
    try:
        return list(yaml.safe_load_all(text))
    except (yaml.YAMLError, RecursionError, ValueError, LookupError) as error:
        what = " ".join(str(error).split())
        raise CommandError(f"{path} is no valid YAML: {what}") from None

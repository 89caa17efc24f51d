"""A team file's text as data: what JSON and YAML may have, and what is refused, in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from supervisor._cli.errors import CommandError
from supervisor._cli.team_file.nodes import FileError
from supervisor._cli.team_file.reading import read

_STEPS = list(zip("abcdefgh", "bcdefghi", strict=True))
_BOMB = "a: &a [x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in _STEPS
)
_MERGE_BOMB = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 10)}]}}\n" for before, name in _STEPS
)


def _read(folder: Path, text: str | bytes, name: str) -> object:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(str(path))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"a": [1, 2.5, true, null, "x"], "b": {}}'),
        ("a.JSON", '\ufeff{"a": [1, 2.5, true, null, "x"], "b": {}}'),
        ("a.yaml", "a: [1, 2.5, true, null, x]\nb: {}\n"),
        ("a.yml", "--- # a comment\na:\n- 1\n- 2.5\n- yes\n- ~\n- !!str x\nb: {}\n"),
    ],
)
def test_json_and_yaml_give_the_same_data(tmp_path: Path, name: str, text: str) -> None:
    """The ending tells the form, and a byte order mark is skipped."""
    assert _read(tmp_path, text, name) == {"a": [1, 2.5, True, None, "x"], "b": {}}


def test_a_date_in_yaml_stays_text(tmp_path: Path) -> None:
    """`api_version: 2024-06-01` is what AutoGen needs it to be, without quotes."""
    assert _read(tmp_path, "api_version: 2024-06-01\n", "a.yaml") == {"api_version": "2024-06-01"}


def test_aliases_in_yaml_are_followed(tmp_path: Path) -> None:
    """What stands once can be used several times, also merged into a mapping."""
    text = "a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}\n"
    assert _read(tmp_path, text, "a.yaml") == {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.json", "", "it is no valid JSON: Expecting value: line 1 column 1"),
        ("a.json", '{"a": 1,}', "it is no valid JSON: "),
        ("a.json", '{"a": NaN}', "it has NaN, which JSON does not know"),
        ("a.json", '{"a": -Infinity}', "it has -Infinity"),
        ("a.json", "9" * 5000, "it is no valid JSON: Exceeds the limit"),
        ("a.json", "[" * 100_000, "it is nested too deeply"),
        ("a.json", '{"b": [0, {"x": 1, "x": 2}]}', "the key 'x' stands twice in b[1]"),
        ("a.json", '{"b": {"x": 1, "x": 2}, "b": 3}', "the key 'b' stands twice in the top level"),
        ("a.json", b'{"a": "\xe9"}', "it is not UTF-8, from byte 7 on"),
        ("a.json", '{"a": 1}'.encode("utf-16"), "it is not UTF-8, from byte 0 on"),
        ("a.json", b" " * 10_000_001, "it is larger than 10 MB"),
        ("a.yaml", b" " * 1_000_001, "it is larger than 1 MB"),
        (
            "a.yaml",
            "a: b: c",
            "it is no valid YAML: mapping values are not allowed in this context (line 1,",
        ),
        ("a.yaml", "a: 1\n---\nb: 2\n", "but found another document (line 2"),
        ("a.yaml", "x: 1\na:\n  b: 1\n  b: 2\n", "'b' stands twice in one mapping (line 3)"),
        ("a.yaml", "a: \x01", "it is no valid YAML"),
        ("a.yaml", "[" * 100_000, "it is no valid YAML: exceeded maximum nesting depth"),
        ("a.yaml", "&a [*a]", "an alias contains itself (line 1)"),
        ("a.yaml", _BOMB, "its aliases make it too large"),
        ("a.yaml", _MERGE_BOMB, "its aliases make it too large"),
        ("a.yaml", "!!python/object/apply:os.system ['x']", "python/object/apply:os.system'"),
        ("a.yaml", "a: !!bool maybe", "it is no valid YAML: 'maybe'"),
        ("a.yaml", "a: !!int ''", "it is no valid YAML"),
        ("a.yaml", "a: !!map x", "it is no valid YAML"),
        ("a.yaml", "? [a]\n: b\n", "it is no valid YAML: found unhashable key"),
        ("a.yaml", "a: {<<: 3}", "it is no valid YAML"),
        ("a.yaml", "a: !mine x", "the tag '!mine' (line 1, column 4)"),
        ("a.yaml", "a: !!binary eA==", "the tag 'tag:yaml.org,2002:binary'"),
        ("a.yaml", "a: !!set {x}", "the tag 'tag:yaml.org,2002:set'"),
        ("a.yaml", "a: !!timestamp 2024-06-01", "the tag 'tag:yaml.org,2002:timestamp'"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(
    tmp_path: Path, name: str, text: str | bytes, says: str
) -> None:
    """The line says what is wrong, and where it is known, at which place."""
    with pytest.raises(FileError) as raised:
        _read(tmp_path, text, name)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder, and a file that does not exist."""
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(FileError, match="it cannot be read: Is a directory"):
        read(str(tmp_path / "folder.json"))
    with pytest.raises(FileError, match="it cannot be read: No such file or directory"):
        read(str(tmp_path / "none.json"))


def test_without_a_reader_of_yaml_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON needs none."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(CommandError, match=r"pip install 'autogen-supervisor\[cli\]'"):
        _read(tmp_path, "a: 1", "a.yaml")
    assert _read(tmp_path, "{}", "a.json") == {}

"""The structure of the package: its map in docs/design.md, and the size of classes and modules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import supervisor
from tests.house_sizes import ClassSize, ModuleSize, classes, modules

ROOT = Path(__file__).parent.parent
PACKAGE = Path(supervisor.__file__).parent
TESTS = ROOT / "tests"

# A class or a module that needs more says so in a line of its docstring that begins with this.
REASON = "Over the limit because "
METHODS, ATTRIBUTES, LINES = 25, 15, 400

# Over the limit without a reason. Nothing may be added here: split it, or write the reason.
NOT_YET_SPLIT = set[str]()
NOT_YET_SHORT = set[str]()


def test_the_map_shows_each_module_once() -> None:
    """Each module stands in the map of docs/design.md exactly once, and nothing else does."""
    tree = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")]
    # A folder's own `__init__` stands there as the folder.
    shown = [path.parent if path.parent.name and path.stem == "__init__" else path for path in tree]
    assert sorted(_map()) == sorted(path.with_suffix("").as_posix() for path in shown)


def test_the_map_is_read_by_its_spaces() -> None:
    """Two spaces stand between names, more before what is said of them; a line can go on."""
    lines = [
        "package/",
        "  one  two      the first, and the second",
        "  _folder/      a folder",
        "    three",
        "                what goes on",
        "    inner/",
        "      four",
        "  five          the fifth",
    ]
    expected = ["one", "two", "_folder", "_folder/three", "_folder/inner", "_folder/inner/four"]
    assert _paths(lines) == [*expected, "five"]


def test_the_map_of_the_tests_names_each_folder() -> None:
    """tests/README.md has a row for each folder of the tests, and for nothing else."""
    rows = re.findall(r"^\| `(\w+)/` \|", (TESTS / "README.md").read_text(), re.MULTILINE)
    assert sorted(rows) == _folders(TESTS)


def test_the_unit_tests_mirror_the_package() -> None:
    """Each folder of the unit tests bears the name of a folder of the package."""
    floors = [name.lstrip("_") for name in _folders(PACKAGE)]
    assert set(_folders(TESTS / "unit")) <= set(floors)


def _folders(path: Path) -> list[str]:
    return sorted({found.relative_to(path).parts[0] for found in path.glob("*/**/*.py")})


def test_a_class_is_small_or_says_why_not() -> None:
    """No class has over 25 methods or 15 attributes, unless its docstring states the reason."""
    too_wide = [f"{size.name} ({size.module})" for size in classes(PACKAGE) if _is_too_wide(size)]
    assert not too_wide


def test_a_module_is_short_or_says_why_not() -> None:
    """No module has over 400 lines, unless its docstring states the reason."""
    assert not [size.name for size in modules(PACKAGE) if _is_too_long(size)]


def test_a_reason_stands_only_where_it_is_needed() -> None:
    """A class or module within the limits has no line that excuses it."""
    small = [size.name for size in classes(PACKAGE) if _is_excused(size) and not _is_wide(size)]
    short = [size.name for size in modules(PACKAGE) if _is_excused(size) and size.lines <= LINES]
    assert not small + short


@pytest.mark.parametrize(
    ("source", "methods", "attributes"),
    [
        ("def a(self): self.x = 1\ndef b(self): self.x, self.y = 1, 2", 2, 2),
        ("@property\ndef a(self): ...\n@a.setter\ndef a(self, v): self._a: int = v", 2, 1),
        ("if TYPE_CHECKING:\n    async def a(self): ...", 1, 0),
        ("def a(self, other): other.x = self.x", 1, 0),
        ("class Inner:\n    def a(self): self.x = 1\n    def b(self): ...", 0, 0),
        ("def a(self):\n    def inner(): self.x = 1", 1, 1),
    ],
)
def test_methods_and_attributes_are_counted(
    tmp_path: Path, source: str, methods: int, attributes: int
) -> None:
    """Each function of a class's body counts, and each name that is assigned to its `self`."""
    body = source.replace("\n", "\n    ")
    (tmp_path / "module.py").write_text(f"class Outer:\n    {body}\n")
    (found,) = [size for size in classes(tmp_path) if size.name == "Outer"]
    assert (found.methods, found.attributes) == (methods, attributes)


def test_a_dataclass_has_its_fields_as_attributes(tmp_path: Path) -> None:
    """The fields of a dataclass count; constants of the class and what is only passed in do not."""
    source = "@dataclass\nclass Data:\n    a: int\n    b: ClassVar[int]\n    c: InitVar[int]\n"
    (tmp_path / "module.py").write_text(source)
    (found,) = classes(tmp_path)
    assert found.attributes == 1


def _map() -> list[str]:
    """Return the paths in the map, a module's without its suffix."""
    _, _, section = (ROOT / "docs" / "design.md").read_text().partition("\n## The house\n")
    _, _, block = section.partition("\n```text\n")
    return _paths(block.partition("\n```\n")[0].splitlines())


def _paths(lines: list[str]) -> list[str]:
    """Return the paths of a map whose first line is the package's folder."""
    found: list[str] = []
    folders: list[str] = []
    for line in lines[1:]:
        depth = (len(line) - len(line.lstrip())) // 2 - 1
        if depth > len(folders):
            continue  # the rest of a description
        del folders[depth:]
        for name in re.split(r" {3,}", line.strip())[0].split("  "):
            found.append("/".join([*folders, name.removesuffix("/")]))
            if name.endswith("/"):
                folders.append(name.removesuffix("/"))
    return found


def _is_wide(size: ClassSize) -> bool:
    return size.methods > METHODS or size.attributes > ATTRIBUTES


def _is_too_wide(size: ClassSize) -> bool:
    return _is_wide(size) and size.name not in NOT_YET_SPLIT and not _is_excused(size)


def _is_too_long(size: ModuleSize) -> bool:
    is_listed = Path(size.name).name in NOT_YET_SHORT
    return size.lines > LINES and not is_listed and not _is_excused(size)


def _is_excused(size: ClassSize | ModuleSize) -> bool:
    return any(line.startswith(REASON) for line in size.docstring.splitlines())

"""The file systems on which no store is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor._checkpoints import file_systems
from supervisor._checkpoints.file_systems import SHARED, file_system_of, refuse_shared_file_system
from supervisor.errors import StoreUnavailable

_MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /mnt/nfs rw - nfs4 server:/export rw
31 22 0:41 / /mnt/nfs/local rw - xfs /dev/vdb rw
32 22 0:42 / /mnt/with\\040space rw master:7 propagate_from:2 - fuse.sshfs host:/ rw
33 22 0:43 / /mnt/twice rw - ext4 /dev/vdc rw
34 33 0:44 / /mnt/twice rw - 9p share rw
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    """Return a table of mounts."""
    path = tmp_path / "mountinfo"
    path.write_text(_MOUNTS)
    return path


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/runs.db", "ext4"),
        ("/mnt/nfs/runs.db", "nfs4"),
        ("/mnt/nfs/deeper/runs.db", "nfs4"),
        ("/mnt/nfsx/runs.db", "ext4"),
        ("/mnt/nfs/local/runs.db", "xfs"),
        ("/mnt/with space/runs.db", "fuse.sshfs"),
        ("/mnt/twice/runs.db", "9p"),
    ],
)
def test_a_path_lies_on_the_innermost_mount(path: str, kind: str, mounts: Path) -> None:
    """Of two mounts on one folder the later one counts, and escapes in names are read."""
    assert file_system_of(Path(path), mounts) == kind


@pytest.mark.parametrize("name", ["nfs", "nfs4", "cifs", "9p", "virtiofs", "fuse.sshfs"])
def test_a_shared_file_system_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names it, and says in one line what to do instead."""
    assert name in SHARED
    table = tmp_path / "mountinfo"
    table.write_text(f"30 22 0:40 / / rw - {name} server:/export rw\n")
    monkeypatch.setattr(file_systems, "_MOUNTS", table)
    with pytest.raises(StoreUnavailable, match=rf"it lies on {name}, .* postgresql://") as caught:
        refuse_shared_file_system(tmp_path / "runs.db", "sqlite:///runs.db")
    assert "\n" not in str(caught.value)


def test_where_nobody_tells_nothing_is_refused(tmp_path: Path) -> None:
    """Without a table of mounts (macOS) any file system passes."""
    assert file_system_of(tmp_path, tmp_path / "absent") is None

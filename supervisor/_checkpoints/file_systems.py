"""The file systems on which SQLite's WAL does not work: those that several machines share.

WAL needs memory that all who use the file share, and locks that all of them see.
"""

from __future__ import annotations

import re
from pathlib import Path

from supervisor._core.errors import StoreUnavailable

SHARED = frozenset(
    {
        *("9p", "afs", "beegfs", "ceph", "cifs", "drvfs", "fakeowner", "gfs2", "glusterfs", "gpfs"),
        *("lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "prl_fs", "smb3", "smbfs", "vboxsf"),
        *("virtiofs", "vmhgfs", "fuse.ceph", "fuse.davfs2", "fuse.gcsfuse", "fuse.glusterfs"),
        *("fuse.grpcfuse", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "fuse.vmhgfs-fuse"),
    }
)
_MOUNTS = Path("/proc/self/mountinfo")


def refuse_shared_file_system(path: Path, url: str) -> None:
    """Refuse a file that lies on one of these file systems.

    Raises:
        StoreUnavailable: It does.
    """
    kind = file_system_of(path)
    if kind in SHARED:
        raise StoreUnavailable(
            url,
            f"it lies on {kind}, where SQLite loses data (take a local disk, or postgresql://)",
        )


def file_system_of(path: Path, mounts: Path | None = None) -> str | None:
    """Return the type of the file system on which a path lies; None where nobody tells."""
    try:
        lines = (mounts or _MOUNTS).read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    where = path.resolve()
    found = [(len(point.parts), kind) for point, kind in map(_mount, lines) if _has(point, where)]
    # Of two on one folder, the later one hides the earlier.
    found.reverse()
    return max(found, key=lambda mount: mount[0])[1] if found else None


def _has(point: Path, path: Path) -> bool:
    return path == point or point in path.parents


def _mount(line: str) -> tuple[Path, str]:
    """Return where a line of mountinfo mounts what: its fifth field, and the first after " - "."""
    before, _, after = line.partition(" - ")
    point = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), before.split()[4])
    return Path(point), after.split()[0]

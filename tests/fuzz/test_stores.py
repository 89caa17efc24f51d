"""Whatever is done to a store's file, it is read as it was written, or refused by our error."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor._checkpoints.integrity import check
from supervisor._checkpoints.urls import open_store
from supervisor.errors import CheckpointError
from tests.checkpoints.kept_run import RUN, KeptRun, transcript
from tests.fuzz.lengths import examples

pytestmark = pytest.mark.blocks


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return what a store's file has, of one run that is not ended."""
    path = tmp_path_factory.mktemp("sound") / "runs.db"
    with contextlib.closing(open_store(f"sqlite:///{path}")) as store:
        store.setup()
        run = KeptRun(store)
        for _ in range(2):
            run.call_tool()
            run.finish_turn()
    return path.read_bytes()


_CHANGES = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=16)), max_size=6
)


@examples(40)
@given(changes=_CHANGES, size=st.just(1.0) | st.floats(0, 1.2))
def test_a_file_with_any_bytes_changed(
    sound: bytes, memory_path: Path, changes: list[tuple[float, bytes]], size: float
) -> None:
    """A file with bytes changed, cut off or added tells what was written, or that it is damaged."""
    data = bytearray(sound)
    for place, new in changes:
        at = int(place * len(data))
        data[at : at + len(new)] = new
    data = data[: int(size * len(data))] + b"x" * int(max(0.0, size - 1) * 1000)
    path = memory_path / "runs.db"
    path.write_bytes(data)
    try:
        with (
            contextlib.suppress(CheckpointError),
            contextlib.closing(open_store(f"sqlite:///{path}")) as store,
        ):
            store.setup()
            with contextlib.suppress(CheckpointError):
                store.list()
            with contextlib.suppress(CheckpointError):
                kept = check(store.load(RUN))
                assert kept is None or kept.logs == {"thread": transcript(2)}
            with contextlib.suppress(CheckpointError):
                store.forget(RUN)
    finally:
        for each in memory_path.iterdir():
            if each.is_dir():
                shutil.rmtree(each)
            else:
                each.unlink()

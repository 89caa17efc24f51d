"""What is written together: of what no text can be made nothing is written."""

from __future__ import annotations

import pytest

from supervisor._checkpoints.batch import Batch
from supervisor._checkpoints.integrity import Sealer
from tests.unit.checkpoints.owning import at_turn


def test_what_cannot_be_sealed_stays_so() -> None:
    """What is added behind an item without a text is refused too, with the same error."""
    batch = Batch(Sealer("r").seal, 0)
    batch.add_snapshot(at_turn(1, object()))
    with pytest.raises(TypeError) as first:
        batch.seal()
    batch.add_snapshot(at_turn(2, "said"))
    with pytest.raises(TypeError) as second:
        batch.seal()
    assert second.value is first.value
    assert not batch.is_needed

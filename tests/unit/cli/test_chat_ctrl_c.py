"""What Ctrl-C does in a chat: it stops, clears, hints, and leaves only on purpose."""

from __future__ import annotations

import pytest

from supervisor._cli.chat.ctrl_c import CtrlC, Effect

STOP, CLEAR, HINT, LEAVE = Effect.STOP, Effect.CLEAR, Effect.HINT, Effect.LEAVE
ANSWERING = {"is_answering": True, "has_text": False}
TYPED = {"is_answering": False, "has_text": True}
EMPTY = {"is_answering": False, "has_text": False}


@pytest.mark.parametrize(
    ("presses", "effects"),
    [
        ([(0.0, ANSWERING)], [STOP]),
        ([(0.0, TYPED)], [CLEAR]),
        ([(0.0, EMPTY)], [HINT]),
        ([(0.0, EMPTY), (2.0, EMPTY)], [HINT, LEAVE]),
        ([(0.0, EMPTY), (2.1, EMPTY)], [HINT, HINT]),
        # The line that was cleared in between makes the hint old.
        ([(0.0, EMPTY), (0.5, TYPED), (1.0, EMPTY)], [HINT, CLEAR, HINT]),
        # Whoever presses once more as an answer ends, or three times, has not asked to leave.
        ([(0.0, ANSWERING), (0.1, EMPTY), (0.2, EMPTY)], [STOP, HINT, HINT]),
        ([(0.0, ANSWERING), (0.5, EMPTY), (1.9, EMPTY)], [STOP, HINT, HINT]),
        ([(0.0, ANSWERING), (1.0, EMPTY), (2.0, EMPTY)], [STOP, HINT, LEAVE]),
        ([(0.0, EMPTY), (1.0, ANSWERING), (1.5, EMPTY)], [HINT, STOP, HINT]),
    ],
)
def test_each_press_has_the_effect_of_its_moment(
    presses: list[tuple[float, dict[str, bool]]], effects: list[Effect]
) -> None:
    """Ctrl-C leaves only within two seconds of its hint, and not so soon after a stop."""
    ctrl_c = CtrlC()
    assert [ctrl_c.effect(at, **state) for at, state in presses] == effects

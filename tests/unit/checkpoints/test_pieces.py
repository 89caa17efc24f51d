"""JSON text made in pieces: the same text, and the interpreter is not held for long."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from supervisor._checkpoints import pieces
from supervisor._checkpoints.pieces import Later, chunks, decode, encode

_LEAVES: list[Any] = [1, -5, 2.5, None, True, "x", "\ud800", "\x00é😀", "y" * 900, float("inf")]


def _data(seed: random.Random, depth: int = 0) -> Any:
    kind = seed.random()
    if depth > 3 or kind < 0.3:
        return seed.choice(_LEAVES)
    parts = [_data(seed, depth + 1) for _ in range(seed.choice([0, 1, 4, 9]))]
    if kind < 0.6:
        return parts
    return tuple(parts) if kind < 0.7 else {f"{n}ü": part for n, part in enumerate(parts)}


@pytest.mark.parametrize("most", [1, 2, 7, 1000])
def test_text_is_the_one_that_json_makes(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data of any form has the text that `json.dumps` makes of it, however small the pieces are."""
    monkeypatch.setattr(pieces, "_CALL", most)
    monkeypatch.setattr(pieces, "_SLICE", 50 * most)
    for number in range(25):
        data = _data(random.Random(number))
        assert encode(data) == "".join(chunks(data)) == json.dumps(data), number


def test_keys_are_written_as_json_writes_them() -> None:
    """Keys that are numbers, truth values or None become texts, of large values as well."""
    data = {1: "a" * 200_000, False: 1, None: ["b" * 200_000], 2.5: 2}
    assert encode(data) == json.dumps(data)


def test_parts_of_a_large_text_are_bounded() -> None:
    """A text of ten megabytes comes in parts of less than a megabyte."""
    data = ["x" * 5_000_000, [float(n) for n in range(400_000)]]
    parts = list(chunks(data))
    assert len(parts) > 20
    assert max(map(len, parts)) < 1_000_000
    assert decode("".join(parts)) == data


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_no_part_is_empty(more: int) -> None:
    """Also where a text ends just where a part does."""
    data = "x" * (256 * 1024 - 2 + more)  # and two quotation marks
    parts = list(chunks(data))
    assert all(parts)
    assert "".join(parts) == json.dumps(data)


def test_what_is_made_later_is_made_as_it_is_encoded() -> None:
    """`Later` stands for what its function returns when the text is made, and not before."""
    made: list[int] = []

    def make() -> Any:
        made.append(1)
        return {"data": "p" * 300_000}

    data = [1, {"picture": Later(make)}, 2]
    assert not made
    assert decode(encode(data)) == [1, {"picture": make()}, 2]
    assert len(made) == 2


def test_deep_data_is_written_as_deep_as_it_can_be_read() -> None:
    """Two hundred and fifty levels are written and read; what is deeper is refused."""
    data: Any = "end"
    for _ in range(250):
        data = [data]
    assert decode(encode(data)) == data
    for _ in range(100_000):
        data = [data]
    with pytest.raises(ValueError, match="nested too deeply"):
        encode(data)
    for _ in range(100_250):  # else the interpreter frees it level by level
        data = data[0]


def test_data_that_contains_itself_is_refused() -> None:
    """An object that contains itself is no data."""
    data: dict[str, Any] = {}
    data["self"] = data
    with pytest.raises(ValueError, match="contains itself"):
        encode(data)


@pytest.mark.parametrize("data", [object(), [{1}], {"a": b"x"}, {(1, 2): 3}])
def test_other_objects_are_refused(data: object) -> None:
    """What JSON has no word for raises TypeError."""
    with pytest.raises(TypeError):
        encode(data)


@pytest.mark.parametrize("text", ["", "{", '["a" 1]', "[" * 200_000, "nul"])
def test_other_text_is_refused(text: str) -> None:
    """Text that is no JSON raises ValueError, also where it would exhaust the stack."""
    with pytest.raises(ValueError):  # noqa: PT011 - json's own words
        decode(text)


# -- the interpreter ------------------------------------------------------------------------------

_FLOATS = [n / 7 for n in range(250_000)]
_TEXT = json.dumps(_FLOATS)


@pytest.mark.parametrize(
    "data",
    [_FLOATS, [_FLOATS[n : n + 500] for n in range(0, 250_000, 500)], {"text": "ü" * 15_000_000}],
    ids=["numbers", "rows", "one text"],
)
def test_another_thread_goes_on_meanwhile(data: Any) -> None:
    """While data is encoded, another thread never waits for more than a quarter of that time."""
    longest, total = _longest_gap(lambda: [None for _ in chunks(data)])
    assert longest < total / 4, (longest, total)


@pytest.mark.parametrize(
    "data",
    [_FLOATS, [{"id": n, "text": "x" * 400} for n in range(30_000)]],
    ids=["numbers", "notes"],
)
def test_another_thread_goes_on_while_a_text_is_read(data: Any) -> None:
    """While a large text is decoded, another thread never waits for more than half of that time."""
    text = json.dumps(data)
    longest, total = _longest_gap(lambda: decode(text))
    assert longest < total / 2, (longest, total)


def _encode_in_one_call() -> object:
    return json.dumps(_FLOATS)


def _decode_in_one_call() -> object:
    return json.loads(_TEXT)


@pytest.mark.parametrize("work", [_encode_in_one_call, _decode_in_one_call])
def test_that_would_be_seen(work: Callable[[], object]) -> None:
    """The same in one call of json's encoder or decoder holds the interpreter nearly all of it."""
    longest, total = _longest_gap(work)
    assert longest > total / 2, (longest, total)


def test_large_text_is_read_as_json_reads_it() -> None:
    """A text that is decoded piece by piece gives the same values, of the same types."""
    data = [_data(random.Random(number)) for number in range(2_000)]
    text = json.dumps(data)
    assert len(text) > 100_000
    assert repr(decode(text)) == repr(json.loads(text))


def _longest_gap(work: Callable[[], object]) -> tuple[float, float]:
    """Do work in a thread; return how long this one had to wait at most, and the time in all."""
    begins = threading.Event()
    times: list[float] = []

    def timed() -> None:
        begins.wait()
        times.append(time.perf_counter())
        work()
        times.append(time.perf_counter())

    thread = threading.Thread(target=timed)
    thread.start()
    begins.set()
    before, longest = time.perf_counter(), 0.0
    while thread.is_alive():
        time.sleep(0.001)  # a heartbeat, and not a wait for something
        now = time.perf_counter()
        longest, before = max(longest, now - before), now
    thread.join()
    return longest, times[1] - times[0]

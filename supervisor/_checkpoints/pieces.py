"""JSON text of data of any size, made in a thread that lets the loop go on.

json's C encoder holds the interpreter for as long as one call takes: a second for fifty megabytes
of numbers, a tenth of one for a single string of that size. So data is encoded in pieces of bounded
size, and the interpreter is offered to others after each. To join fifty megabytes takes longer
than a loop may wait, too: what may be that large is kept as several texts.

The text is ASCII: a database refuses what Python's strings may hold, a lone surrogate or a NUL.
Numbers that JSON does not have (NaN, Infinity) are written as Python's json does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, NamedTuple, cast

_CALL: Final = 1_000
"""How much one call of the C encoder is given: values, or 64 characters for one more."""
_CHARACTERS: Final = 64
_SLICE: Final = _CALL * _CHARACTERS
_CHUNK: Final = 256 * 1024
_DEEPEST: Final = 300
"""How deep data may be nested: what is deeper could be written, and not be read."""
_SHALLOW: Final = 50
_MOMENT: Final = 1e-6  # about a twentieth of a millisecond, by the kernel's timers
_ATOMS: Final = frozenset({bool, float, int, type(None)})


@dataclass(frozen=True, slots=True)
class Later:
    """Data that is made as it is encoded, because that takes long: a picture as text.

    Args:
        make: Returns JSON-able data; called in the thread.
    """

    make: Callable[[], Any]


def encode(data: Any) -> str:
    """Return the JSON text of data, in ASCII.

    Raises:
        TypeError: JSON has no such value.
        ValueError: It is nested too deeply, or contains itself.
    """
    if _cost(data, _CALL) <= _CALL:
        return json.dumps(data)
    return "".join(_yielding(_pieces(data)))


def chunks(data: Any) -> Iterator[str]:
    """Yield the same text in parts of a quarter of a megabyte, so that nobody joins all of it.

    Raises:
        TypeError: JSON has no such value.
        ValueError: It is nested too deeply, or contains itself.
    """
    waiting: list[str] = []
    size = 0
    for piece in _yielding(_pieces(data)):
        waiting.append(piece)
        size += len(piece)
        if size >= _CHUNK:
            yield "".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield "".join(waiting)


def decode(text: str) -> Any:
    """Return the data of a JSON text.

    Raises:
        ValueError: It is no JSON text, or nested too deeply.
    """
    try:
        return json.loads(text) if len(text) <= _SLICE else _YIELDING.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def let_others_go_on() -> None:
    """Let another thread have the interpreter that waits for it.

    To sleep for no time does not suffice: this thread would have it again before the other one has
    woken up, which then waits for five milliseconds more.
    """
    time.sleep(_MOMENT)


# The C decoder, too, holds the interpreter for a whole text. It calls these functions for each
# number and each object, and a function of Python's lets another thread have the interpreter.
def _as_it_is(found: dict[str, Any]) -> dict[str, Any]:
    return found


def _float(digits: str) -> float:
    return float(digits)


def _int(digits: str) -> int:
    return int(digits)


_YIELDING: Final = json.JSONDecoder(object_hook=_as_it_is, parse_float=_float, parse_int=_int)


def _yielding(pieces: Iterable[str]) -> Iterator[str]:
    for piece in pieces:
        yield piece
        let_others_go_on()


# -- how much a value is --------------------------------------------------------------------------


def _cost(value: Any, most: int, depth: int = 0) -> int:
    """Count a value's parts; more than `most` where it has more, or is not for one call."""
    if isinstance(value, str):
        return 1 + len(value) // _CHARACTERS
    if isinstance(value, (dict, list, tuple)):
        held = cast("Collection[object]", value)
        return most + 1 if depth > _SHALLOW or len(held) > most else _sum(held, most, depth)
    return most + 1 if isinstance(value, Later) else 1


def _sum(held: Collection[object], most: int, depth: int) -> int:
    total = 1
    keys = cast("Iterable[Any]", held)
    values = cast("dict[object, Any]", held).values() if isinstance(held, dict) else ()
    for part in chain(keys, values):
        kind = part.__class__
        if kind is str:  # most are: this is asked of each message
            total += 1 + len(part) // _CHARACTERS
        else:
            total += 1 if kind in _ATOMS else _cost(part, most - total, depth + 1)
        if total > most:
            break
    return total


# -- the pieces -----------------------------------------------------------------------------------


class _Inner(NamedTuple):
    """A value within another one that is too large for one call."""

    value: Any


def _pieces(data: Any) -> Iterator[str]:
    stack = [_parts_of(data)]  # and no recursion, whose depth is the interpreter's to choose
    while stack:
        piece = next(stack[-1], None)
        if piece is None:
            stack.pop()
        elif isinstance(piece, str):
            yield piece
        elif len(stack) > _DEEPEST:
            raise ValueError("it is nested too deeply, or contains itself")
        else:
            stack.append(_parts_of(piece.value))


def _parts_of(value: Any) -> Iterator[str | _Inner]:
    if isinstance(value, Later):
        return _parts_of(value.make())
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, dict):
        return _object(cast("dict[str, Any]", value))
    if isinstance(value, (list, tuple)):
        return _array(cast("list[object]", value))
    return iter([json.dumps(value)])


def _string(value: str) -> Iterator[str]:
    yield '"'
    for start in range(0, len(value), _SLICE):
        yield json.dumps(value[start : start + _SLICE])[1:-1]
    yield '"'


def _array(values: Iterable[Any]) -> Iterator[str | _Inner]:
    """Yield an array: what is small is given to the encoder together."""
    separator = "["
    for batch, large in _batches(values, lambda value: _cost(value, _CALL)):
        if batch:
            yield separator + json.dumps(batch)[1:-1]
            separator = ", "
        for value in large:
            yield separator
            yield _Inner(value)
            separator = ", "
    yield "[]" if separator == "[" else "]"


def _object(values: Mapping[Any, Any]) -> Iterator[str | _Inner]:
    separator = "{"
    for batch, large in _batches(values.items(), lambda pair: _cost(pair, _CALL)):
        if batch:
            yield separator + json.dumps(dict(batch))[1:-1]
            separator = ", "
        for key, value in large:
            yield separator + json.dumps({key: 0})[1:-2]
            yield _Inner(value)
            separator = ", "
    yield "{}" if separator == "{" else "}"


def _batches(
    values: Iterable[Any], cost: Callable[[Any], int]
) -> Iterator[tuple[list[Any], list[Any]]]:
    """Yield values in batches for one call each, and behind a batch the one that is too large."""
    batch: list[Any] = []
    total = 0
    for value in values:
        size = cost(value)
        if size > _CALL or total + size > _CALL:
            yield batch, [value] if size > _CALL else []
            batch, total = [], 0
        if size <= _CALL:
            batch.append(value)
            total += size
    yield batch, []

"""JSON and plain values into our types, in any thread.

Two threads in which msgspec sees a type for the first time at once can crash the process: one reads what the other has
half made. So types are looked at one at a time; decoding what is known needs no lock.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}
_LOCK = Lock()


def decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """What decodes JSON as a `kind`: anything that msgspec reads."""
    found = _DECODERS.get(kind)
    if found is None:
        with _LOCK:
            found = _DECODERS.setdefault(kind, msgspec.json.Decoder(kind))
    return found


def decode_json(content: bytes | str, kind: type[T]) -> T:
    """JSON as a `kind`. Raises `msgspec.DecodeError`, and `msgspec.ValidationError` for JSON of something else."""
    return decoder(kind).decode(content)


def convert(value: Any, kind: type[T]) -> T:
    """A value of built-in types as a `kind`. Raises `msgspec.ValidationError`."""
    decoder(kind)
    return msgspec.convert(value, kind)

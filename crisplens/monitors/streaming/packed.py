"""How large a compressed Arrow stream says that it is unpacked, before anything of it is.

Each compressed buffer begins with its unpacked length, which is what Arrow makes room for; where the buffers lie
stands in the message's flatbuffer. https://arrow.apache.org/docs/format/Columnar.html#compressed-buffers
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_HEADER, _HEADER_TYPE = 2, 1
_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2
# Of a record batch, and of a dictionary batch.
_BUFFERS, _COMPRESSION, _DATA = 2, 3, 1
_BUFFER_BYTES = 16


def unpacked_bytes(content: bytes) -> int:
    """How many bytes the compressed buffers of a stream have unpacked, as they say; 0 when none is compressed.

    Raises `ValueError` or an exception of Arrow for a stream that cannot be read.
    """
    import pyarrow as pa
    import pyarrow.ipc as ipc

    try:
        return sum(
            length
            for message in ipc.MessageReader.open_stream(pa.BufferReader(content))
            if message.body is not None
            for length in _lengths(message.metadata.to_pybytes(), memoryview(message.body))
        )
    except (struct.error, IndexError) as error:
        raise ValueError("a message has no such layout") from error


def _lengths(metadata: bytes, body: memoryview) -> Iterator[int]:
    root = _pointed(metadata, 0)
    kind_at, header_at = _field(metadata, root, _HEADER_TYPE), _field(metadata, root, _HEADER)
    if kind_at is None or header_at is None:
        return
    kind, batch = metadata[kind_at], _pointed(metadata, header_at)
    if kind == _DICTIONARY_BATCH:
        data_at = _field(metadata, batch, _DATA)
        if data_at is None:
            return
        batch = _pointed(metadata, data_at)
    elif kind != _RECORD_BATCH:
        return
    buffers_at = _field(metadata, batch, _BUFFERS)
    if _field(metadata, batch, _COMPRESSION) is None or buffers_at is None:
        return
    vector = _pointed(metadata, buffers_at)
    (count,) = struct.unpack_from("<I", metadata, vector)
    for number in range(count):
        offset, length = struct.unpack_from("<qq", metadata, vector + 4 + number * _BUFFER_BYTES)
        if length > 0:
            # A negative length says that the buffer is not compressed after all.
            yield max(struct.unpack_from("<q", body, offset)[0], 0)


def _pointed(metadata: bytes, at: int) -> int:
    return at + int(struct.unpack_from("<I", metadata, at)[0])


def _field(metadata: bytes, table: int, number: int) -> int | None:
    """Where a field of a flatbuffer's table stands; None when it is left out."""
    vtable = table - int(struct.unpack_from("<i", metadata, table)[0])
    (size,) = struct.unpack_from("<H", metadata, vtable)
    at = 4 + 2 * number
    offset = struct.unpack_from("<H", metadata, vtable + at)[0] if at < size else 0
    return table + offset if offset else None

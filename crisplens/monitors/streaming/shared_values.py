"""Arrow columns that come from elsewhere: whether they are what they say, and their values where rows share them.

The text of a view or of a dictionary stands in the batch once, however many rows are of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crisplens.monitors.engines import _arrow
from crisplens.monitors.streaming.refusals import check_bytes

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


def checked_bytes(array: pa.Array, *, deeply: bool) -> int:
    """How many bytes an array takes, once it is known to be one: offsets and lengths are the sender's word.

    A false one is followed beyond its buffer, also by `nbytes`. Looking into values is done `deeply` alone. Raises
    `InputError` for values that are too large, and an exception of Arrow for an array that is none.
    """
    import pyarrow as pa

    array.validate()
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    # What is nested is refused later, or only its nulls count.
    if not deeply or pa.types.is_nested(kind):
        return int(array.get_total_buffer_size())
    if _is_view(kind):
        # Looking at a text that many rows share takes as long as if each had its own.
        check_bytes(_length(array.dictionary if pa.types.is_dictionary(array.type) else array))
    array.validate(full=True)
    return int(array.nbytes)


def without_views(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of views, or of a dictionary of them, as plain text: little else can be done with views.

    Raises `InputError` for more bytes than are taken in at once.
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind) and _is_view(kind.value_type):
        chunks = [
            pa.DictionaryArray.from_arrays(chunk.indices, _plain([chunk.dictionary])[0])
            for chunk in column.chunks
        ]
        return pa.chunked_array(chunks, pa.dictionary(kind.index_type, pa.large_string()))
    if not _is_view(kind):
        return column
    return pa.chunked_array(_plain(column.chunks), pa.large_string())


def presence(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """True for each value of a column of which only that is wanted, and null for each null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def of(chunk: Any) -> Any:
        valid = pc.is_valid(chunk)
        if pa.types.is_dictionary(chunk.type) and chunk.dictionary.null_count:
            valid = pc.and_(valid, pc.fill_null(pc.is_valid(chunk.dictionary).take(chunk.indices), False))
        return pc.if_else(valid, True, pa.scalar(None, pa.bool_()))

    return pa.chunked_array([of(chunk) for chunk in column.chunks], pa.bool_())


def valid_rows(array: pa.Array) -> NDArray[np.bool_]:
    """Which rows of an array are not null."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    found: NDArray[np.bool_] = _arrow.present_values(pc.cast(pc.is_valid(array), pa.uint8())).astype(np.bool_)
    return found


def _is_view(kind: pa.DataType) -> bool:
    return str(kind) == "string_view"


def _plain(chunks: list[Any]) -> list[Any]:
    import pyarrow as pa

    check_bytes(sum(map(_length, chunks)))
    return [chunk.cast(pa.large_string()) for chunk in chunks]


def _length(views: Any) -> int:
    """How many bytes views are of. https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout"""
    import numpy as np

    if not len(views):
        return 0
    lengths = np.frombuffer(views.buffers()[1], np.int32)[::4][views.offset : views.offset + len(views)]
    return int(lengths[valid_rows(views)].clip(0).sum(dtype=np.int64))

"""The time column of a batch: microseconds since 1970 in UTC, however it is written."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from crisplens.monitors.engines import _arrow
from crisplens.monitors.schedules.times import get_zone, is_utc
from crisplens.monitors.streaming.refusals import bad_batch, no_times
from crisplens.monitors.streaming.shared_values import valid_rows
from crisplens.registry.data.files import not_utf8

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)
# Every zone's offset has changed at such moments only, since zones have offsets.
_QUARTER = 15 * 60 * 1_000_000


def instants(column: Any, name: str, zone: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The times of an Arrow array as microseconds since 1970 in UTC, and which rows have one.

    Those without a zone are of `zone`. Raises `InputError` for a column `name` that holds something else than times.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_nested(kind):
        raise no_times(name, str(kind))
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        # Not decoded: many rows may share a long text.
        known, good = instants(column.dictionary, name, zone)
        present = valid_rows(column.indices)
        times, timed = np.zeros(len(column), np.int64), np.zeros(len(column), np.bool_)
        places = _arrow.present_values(column.indices).astype(np.int64)
        times[present], timed[present] = known[places], good[places]
        return times, timed
    if pa.types.is_null(column.type):
        return np.zeros(len(column), np.int64), np.zeros(len(column), np.bool_)
    if _arrow.duckdb_type(column.type) == "VARCHAR":
        return _parsed(column.to_pylist(), zone)
    if not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
        raise no_times(name, str(column.type))
    timed = valid_rows(column)
    naive = pa.types.is_date(column.type) or column.type.tz is None
    stamps = column.cast(pa.timestamp("us", None if naive else column.type.tz), safe=False)
    # A copy: the buffer's memory is Arrow's.
    times = np.array(_arrow.present_values(pc.fill_null(stamps.cast(pa.int64()), 0)), np.int64)
    if naive and not is_utc(zone):
        times[timed] -= _offsets(times[timed], zone)
    return times, timed


def time_texts(values: list[Any], name: str) -> pa.Array:
    """Times of Python as texts in ISO 8601. Raises `InputError` for a column `name` that holds something else."""
    import pyarrow as pa

    kinds = {type(value) for value in values} - {type(None)}
    if not all(issubclass(kind, str | date) for kind in kinds):
        raise no_times(name, "values that are not text")
    texts = [value.isoformat() if isinstance(value, date) else value for value in values]
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        raise not_utf8(f"column {name!r}") from None


def to_moment(microseconds: int) -> datetime:
    """The moment so many microseconds after 1970. Raises `InputError` for one that no calendar has."""
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        raise bad_batch("a time lies beyond the year 9999 or before the year 1") from None


def to_microseconds(moment: datetime) -> int:
    """How many microseconds after 1970 a moment is."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _offsets(local: NDArray[np.int64], zone: str) -> NDArray[np.int64]:
    """What a zone was ahead of UTC at local times, in microseconds.

    A time that the clock showed twice is the later one, one that it skipped is before the gap: as in files.
    """
    import numpy as np

    place = get_zone(zone)
    quarters, where = np.unique(local // _QUARTER, return_inverse=True)
    moments = (_NAIVE_EPOCH + timedelta(microseconds=int(one) * _QUARTER) for one in quarters)
    ahead = [moment.replace(tzinfo=place, fold=1).utcoffset() or timedelta() for moment in moments]
    return np.array([one // timedelta(microseconds=1) for one in ahead], np.int64)[where]


def _parsed(texts: list[str | None], zone: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Times in ISO 8601; what is none is no time, as in files."""
    import numpy as np

    place = UTC if is_utc(zone) else get_zone(zone)
    times = np.zeros(len(texts), np.int64)
    timed = np.zeros(len(texts), np.bool_)
    for number, text in enumerate(texts):
        if text is None:
            continue
        try:
            moment = datetime.fromisoformat(text.strip())
            aware = moment if moment.tzinfo else moment.replace(tzinfo=place, fold=1)
            times[number] = to_microseconds(aware)
        except (ValueError, OverflowError):
            continue
        timed[number] = True
    return times, timed

"""What Arrow arrays hold, counted in NumPy: on a reference's edges, by category, or only whether they are null.

Every tally can be added to, array by array, and merged with another of the same column, in any order.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crisplens.monitors import features, profiles
from crisplens.monitors.engines import _sql
from crisplens.monitors.model import (
    CategoricalProfile,
    ColumnProfile,
    Family,
    NumberCount,
    NumericProfile,
    OtherProfile,
)
from crisplens.registry.data import tabular

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

# Arrays are counted in pieces that fit a processor's cache.
MOST_ROWS = 1 << 17
# Whole numbers this close together are counted without being sorted.
MOST_SPAN = 1 << 16

# Arrow types whose values are counted here, as DuckDB names them when it reads them from Parquet.
TYPES = {
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
    "halffloat": "FLOAT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "string": "VARCHAR",
    "large_string": "VARCHAR",
    "string_view": "VARCHAR",
    "date32[day]": "DATE",
    "date64[ms]": "DATE",
    "timestamp[ms]": "TIMESTAMP",
    "timestamp[us]": "TIMESTAMP",
    "timestamp[ns]": "TIMESTAMP_NS",
}
# NumPy's names of Arrow types, where they are not the same.
DTYPES = {"halffloat": "float16", "float": "float32", "double": "float64"}
# Decimals with more digits do not fit 64 bits.
MOST_DIGITS = 18


_room = threading.local()


@dataclass
class Numbers:
    """A numeric column so far; `values` is None once there are too many, or where none are wanted."""

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    values: Counter[float] | None
    rows: int = 0
    nulls: int = 0
    nans: int = 0
    infinities: int = 0
    count: int = 0
    mean: float = 0.0
    m2: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf


@dataclass
class Categories:
    """A categorical column so far; with more than `most` distinct values it is `full`, and counts no more."""

    most: int | None = None
    full: bool = False
    rows: int = 0
    counts: Counter[Any] = field(default_factory=Counter)


@dataclass
class Nulls:
    """A column that cannot be compared, so far."""

    rows: int = 0
    nulls: int = 0


Tally = Numbers | Categories | Nulls


def duckdb_type(kind: pa.DataType) -> str | None:
    """The name DuckDB has for an Arrow type in Parquet; None for a type that is not counted here."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_decimal(kind) and 0 <= kind.scale <= kind.precision <= MOST_DIGITS:
        return f"DECIMAL({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind) and kind.tz is not None and kind.unit != "ns":
        return "TIMESTAMP WITH TIME ZONE"
    return TYPES.get(str(kind))


def other_type(kind: pa.DataType) -> str:
    """A name for any other Arrow type: DuckDB's for decimals, Arrow's in capitals for the rest."""
    import pyarrow as pa

    return f"DECIMAL({kind.precision},{kind.scale})" if pa.types.is_decimal(kind) else str(kind).upper()


def start(reference: ColumnProfile, type_name: str, *, most: int | None = None) -> Tally:
    """An empty tally for a column of the window that has a DuckDB type.

    Text where the reference has numbers is counted by category, as each value may or may not be a number.
    """
    import numpy as np

    family = _sql.family_of(type_name)
    expected = expected_family(reference)
    if isinstance(reference, OtherProfile):
        return Nulls()
    if expected is Family.NUMBER and family is Family.TEXT:
        return Categories(most=most)
    if family is not expected:
        return Nulls()
    if isinstance(reference, CategoricalProfile):
        return Categories(most=most)
    return Numbers(
        edges=np.array(reference.edges, np.float64),
        counts=np.zeros(len(reference.edges) + 1, np.int64),
        values=Counter() if reference.exact or reference.values is not None else None,
    )


def expected_family(reference: ColumnProfile) -> Family:
    """What the values of a column should be."""
    return Family.NUMBER if isinstance(reference, NumericProfile) else reference.family


def add(tally: Tally, array: pa.Array) -> None:
    """Count one more array of the column. `UnicodeDecodeError` for text that is not UTF-8."""
    import pyarrow as pa

    if isinstance(tally, Nulls):
        if pa.types.is_dictionary(array.type) and array.dictionary.null_count:
            array = array.dictionary_decode()
        tally.rows += len(array)
        tally.nulls += array.null_count
        return
    if pa.types.is_dictionary(array.type) and duckdb_type(array.type) != "VARCHAR":
        array = array.dictionary_decode()
    for first in range(0, len(array), MOST_ROWS):
        piece = array.slice(first, MOST_ROWS)
        tally.rows += len(piece)
        if isinstance(tally, Numbers):
            tally.nulls += piece.null_count
            _add_numbers(tally, present_values(piece))
        elif not tally.full:
            tally.counts.update(_count_categories(piece))
            _check_full(tally)


def add_missing(tally: Tally, rows: int) -> None:
    """Count rows that lack the column: they are nulls."""
    tally.rows += rows
    if not isinstance(tally, Categories):
        tally.nulls += rows


def merge(into: Tally, more: Tally) -> None:
    """Count in `into` what `more` has counted of the same column."""
    into.rows += more.rows
    if isinstance(into, Nulls) and isinstance(more, Nulls):
        into.nulls += more.nulls
    elif isinstance(into, Categories) and isinstance(more, Categories):
        into.full |= more.full
        into.counts.update(more.counts)
        _check_full(into)
    elif isinstance(into, Numbers) and isinstance(more, Numbers):
        into.nulls += more.nulls
        into.nans += more.nans
        into.infinities += more.infinities
        into.counts += more.counts
        into.minimum = min(into.minimum, more.minimum)
        into.maximum = max(into.maximum, more.maximum)
        _merge_moments(into, more.count, more.mean, more.m2)
        if into.values is not None:
            into.values = None if more.values is None else _counted_more(into.values, more.values)


def is_full(tally: Tally) -> bool:
    """Whether the column has more distinct values than were to be counted."""
    return isinstance(tally, Categories) and tally.full


def finish(tally: Tally, reference: ColumnProfile, type_name: str) -> ColumnProfile:
    """The profile of a column whose every array was added."""
    if isinstance(tally, Numbers) and isinstance(reference, NumericProfile):
        return _finish_numbers(tally, reference, type_name)
    family = _sql.family_of(type_name)
    if (
        isinstance(tally, Categories)
        and isinstance(reference, CategoricalProfile)
        and family is reference.family
    ):
        return _finish_categories(tally, reference, type_name)
    nulls = tally.rows - tally.counts.total() if isinstance(tally, Categories) else tally.nulls
    reason = f"The window has type {type_name}, the reference {reference.type}."
    misfits = None
    if isinstance(tally, Categories):
        misfits = _count_misfits(tally.counts)
        reason = features.not_numbers_reason(misfits, tally.rows - nulls)
    return OtherProfile(
        name=reference.name,
        type=type_name,
        family=family,
        rows=tally.rows,
        nulls=nulls,
        reason=reason,
        misfits=misfits,
    )


def present_values(array: pa.Array) -> NDArray[Any]:
    """The values of a numeric array that are not null: no copy where there are no nulls."""
    import numpy as np
    import pyarrow as pa

    if array.null_count == len(array):
        return np.empty(0, np.float64)
    if pa.types.is_decimal(array.type):
        values = _decimals(array)
    else:
        # The array's own conversion would import pandas, which takes longer than counting a million rows.
        kind = np.dtype(DTYPES.get(str(array.type), str(array.type)))
        start = array.offset * kind.itemsize
        values = np.frombuffer(array.buffers()[1], kind, count=len(array), offset=start)
        if kind == np.float16:
            values = values.astype(np.float32)
    if array.null_count:
        first, last = array.offset, array.offset + len(array)
        bits = np.frombuffer(array.buffers()[0], np.uint8)[first // 8 : (last + 7) // 8]
        valid = np.unpackbits(bits, bitorder="little")[first % 8 :][: len(array)]
        values = values[valid.view(np.bool_)]
    return values


def _decimals(array: pa.Array) -> NDArray[np.float64]:
    """Decimals as DOUBLE, rounded as DuckDB's cast rounds them; those under nulls are arbitrary."""
    import numpy as np

    if array.type.precision > MOST_DIGITS or array.type.scale < 0:
        import pyarrow as pa

        doubles = array.cast(pa.float64())
        return np.asarray(doubles.fill_null(0.0).to_numpy(), np.float64)
    width = array.type.byte_width
    # The lowest 64 bits hold them whole.
    kind, step = ("<i4", 1) if width == 4 else ("<i8", width // 8)
    stored = np.frombuffer(array.buffers()[1], kind, count=len(array) * step, offset=array.offset * width)
    unscaled = stored[::step].astype(np.int64)
    scale = 10**array.type.scale
    whole, rest = np.divmod(np.abs(unscaled), scale)
    exact = np.abs(unscaled) <= 2**53
    size = np.where(exact, np.abs(unscaled) / scale, whole + rest / scale)
    signed: NDArray[np.float64] = np.where(unscaled < 0, -size, size)
    return signed


def _add_numbers(tally: Numbers, values: NDArray[Any]) -> None:
    import numpy as np

    if not len(values):
        return
    if values.dtype.kind in "iu":
        close = _count_close(values)
        if close is not None:
            _add_counted(tally, close[0].astype(np.float64), close[1])
            return
    # Sorting, and looking up the few edges, is several times faster than looking up each value.
    ordered = _sorted(values).astype(np.float64, copy=False)
    # NaN is sorted behind infinity.
    numbers = int(np.searchsorted(ordered, np.nan)) if math.isnan(ordered[-1]) else len(ordered)
    first = int(np.searchsorted(ordered, -np.inf, side="right"))
    last = int(np.searchsorted(ordered[:numbers], np.inf))
    tally.nans += len(ordered) - numbers
    tally.infinities += numbers - (last - first)
    finite = ordered[first:last]
    if not len(finite):
        return
    if tally.values is not None:
        distinct, counts = _count_sorted(finite)
        if len(distinct) <= profiles.MOST_CATEGORIES:
            _add_counted(tally, distinct, counts)
            return
        tally.values = None
    at_most = np.searchsorted(finite, tally.edges, side="right")
    tally.counts += np.diff(at_most, prepend=0, append=len(finite))
    _add_range(tally, finite)
    with np.errstate(all="ignore"):
        mean = float(finite.mean())
        finite -= mean
        # What rounding left of the mean is taken off again.
        off = float(finite.sum())
        finite *= finite
        m2 = float(finite.sum()) - off * (off / len(finite))
        _merge_moments(tally, len(finite), mean + off / len(finite), m2)


def _sorted(values: NDArray[Any]) -> NDArray[Any]:
    """The values in order, in this thread's own array, which the next call writes over.

    New memory for each would take the system longer to find than sorting takes.
    """
    import numpy as np

    if not hasattr(_room, "array"):
        _room.array = np.empty(MOST_ROWS, np.float64)
    ordered: NDArray[Any] = _room.array.view(values.dtype)[: len(values)]
    ordered[:] = values
    ordered.sort()
    return ordered


def _add_counted(tally: Numbers, distinct: NDArray[np.float64], counts: NDArray[np.int64]) -> None:
    """Count values given once each, in order, and how often each stands there."""
    import numpy as np

    np.add.at(tally.counts, np.searchsorted(tally.edges, distinct), counts)
    _add_range(tally, distinct)
    total = int(counts.sum())
    with np.errstate(all="ignore"):
        middle = distinct[len(distinct) // 2]
        off = float(((distinct - middle) * counts).sum()) / total
        mean = float(middle) + off
        _merge_moments(tally, total, mean, float(((distinct - middle - off) ** 2 * counts).sum()))
    if tally.values is not None:
        # Large whole numbers may have become one float: both count. Adding 0 makes -0 the 0 that it equals.
        more: Counter[float] = Counter()
        for value, count in zip(distinct.tolist(), counts.tolist(), strict=True):
            more[value + 0.0] += count
        tally.values = _counted_more(tally.values, more)


def _add_range(tally: Numbers, ordered: NDArray[np.float64]) -> None:
    # -0 and 0 are sorted in any order.
    tally.minimum = min(tally.minimum, float(ordered[0]) + 0.0)
    tally.maximum = max(tally.maximum, float(ordered[-1]) + 0.0)


def _counted_more(values: Counter[float], more: Counter[float]) -> Counter[float] | None:
    values.update(more)
    return values if len(values) <= profiles.MOST_CATEGORIES else None


def _merge_moments(tally: Numbers, count: int, mean: float, m2: float) -> None:
    """As `profiles.merge` does it; NaN and infinity stay what they are."""
    if not count:
        return
    total = tally.count + count
    apart = mean - tally.mean if tally.count else 0.0
    tally.mean = tally.mean * (tally.count / total) + mean * (count / total)
    # Large numbers have no variance; Python's ** would raise where * gives infinity.
    tally.m2 += m2 + apart * apart * (tally.count * count / total)
    tally.count = total


def _count_close(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]] | None:
    """Distinct whole numbers and their counts, if they lie close together."""
    import numpy as np

    low = values.min()
    if int(values.max()) - int(low) >= min(len(values), MOST_SPAN):
        return None
    wide = values if values.dtype.itemsize == 8 else values.astype(np.int64)
    low = wide.dtype.type(low)
    counts = np.bincount((wide - low).view(np.int64))
    (at,) = np.nonzero(counts)
    return at.astype(wide.dtype) + low, counts[at]


def _count_sorted(ordered: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Distinct values and their counts."""
    import numpy as np

    (changes,) = np.nonzero(ordered[1:] != ordered[:-1])
    starts = np.concatenate(([0], changes + 1)) if len(ordered) else changes
    return ordered[starts], np.diff(starts, append=len(ordered))


def _count_categories(array: pa.Array) -> dict[Any, int]:
    """How often each value stands there, as Arrow has it; nulls, NaN and infinities do not count."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_boolean(array.type):
        true = array.true_count
        counted = {"true": true, "false": len(array) - array.null_count - true}
        return {value: count for value, count in counted.items() if count}
    if duckdb_type(array.type) == "VARCHAR":
        return _count_texts(array if pa.types.is_dictionary(array.type) else array.dictionary_encode())
    values = present_values(array)
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    close = _count_close(values) if values.dtype.kind in "iu" and len(values) else None
    distinct, counts = close or _count_sorted(_sorted(values))
    return dict(zip(distinct.tolist(), counts.tolist(), strict=True))


def _count_texts(array: pa.DictionaryArray) -> dict[str, int]:
    import numpy as np
    import pyarrow as pa

    words = array.dictionary
    counts = np.bincount(present_values(array.indices).astype(np.int64), minlength=len(words))
    (used,) = np.nonzero(counts)
    if len(used) < len(words):
        words = words.take(pa.array(used))
    found: dict[str, int] = {}
    for word, count in zip(words.to_pylist(), counts[used].tolist(), strict=True):
        if word is not None:
            found[word] = found.get(word, 0) + count
    return found


def _check_full(tally: Categories) -> None:
    if tally.full or (tally.most is not None and len(tally.counts) > tally.most):
        tally.full = True
        tally.counts.clear()


def _finish_numbers(tally: Numbers, reference: NumericProfile, type_name: str) -> NumericProfile:
    kept = None
    if tally.values is not None:
        kept = tuple(NumberCount(value=value, count=count) for value, count in sorted(tally.values.items()))
    known = tally.count > 0 and math.isfinite(tally.m2) and math.isfinite(tally.mean)
    return NumericProfile(
        name=reference.name,
        type=type_name,
        integer=_sql.is_integer(type_name),
        rows=tally.rows,
        nulls=tally.nulls,
        nans=tally.nans,
        infinities=tally.infinities,
        count=tally.count,
        mean=tally.mean if known else None,
        m2=tally.m2 if known else None,
        minimum=tally.minimum if tally.count else None,
        maximum=tally.maximum if tally.count else None,
        edges=reference.edges,
        counts=tuple(tally.counts.tolist()),
        exact=reference.exact,
        n_unique=None if kept is None else len(kept),
        values=kept if reference.values is not None else None,
    )


def _finish_categories(
    tally: Categories, reference: CategoricalProfile, type_name: str
) -> CategoricalProfile:
    """The commonest values, and always those of the reference."""
    counts: Counter[str] = Counter()
    for value, count in tally.counts.items():
        counts[category_text(value)] += count
    present = counts.total()
    listed = profiles.sorted_categories(counts.items())
    if len(listed) > profiles.MOST_CATEGORIES:
        wanted = {category.value for category in reference.categories}
        rest = [category for category in listed[profiles.MOST_CATEGORIES :] if category.value in wanted]
        listed = (*listed[: profiles.MOST_CATEGORIES], *rest)
    return profiles.categorical(
        reference.name,
        type_name,
        reference.family,
        rows=tally.rows,
        present=present,
        listed=listed,
        n_unique=len(counts),
    )


def category_text(value: str | float) -> str:
    """A value as `_sql.category_sql` writes it: 1 and 1.0 are one category."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not (value.is_integer() and abs(value) < 1e15):
        return repr(value)
    return str(int(value))


def _count_misfits(counts: Mapping[str, int]) -> int:
    """How many values of a text column do not read as numbers to DuckDB."""
    with tabular.connected() as connection:
        row = connection.execute(
            "SELECT sum(n) FROM (SELECT unnest(?) AS v, unnest(?) AS n) WHERE TRY_CAST(v AS DOUBLE) IS NULL",
            [list(counts), list(counts.values())],
        ).fetchone()
    return int(row[0] or 0) if row else 0

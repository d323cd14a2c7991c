"""A batch of rows as Arrow columns, each of the type that the monitor's reference has, and what is wanted of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from crisplens.core.errors import InputError
from crisplens.core.names import nearest
from crisplens.monitors.engines import _arrow, _sql, arrow_engine
from crisplens.monitors.model import ColumnProfile, Family, OtherProfile, Profile
from crisplens.monitors.schedules.windows import TimeWindow
from crisplens.monitors.streaming.model import MOST_OTHERS, settled
from crisplens.monitors.streaming.refusals import bad_batch, wrong_type
from crisplens.monitors.streaming.time_column import instants, to_microseconds, to_moment

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Wanted:
    """What is read of a batch: the watched columns of the reference, and the column of times, if any.

    Without its times a batch `needs_times` is refused; times without a zone are those of `zone`.
    """

    reference: Profile
    columns: tuple[str, ...]
    time_column: str = ""
    needs_times: bool = False
    zone: str = "UTC"

    @property
    def watched(self) -> list[ColumnProfile]:
        """The profiles of the watched columns, in the reference's order."""
        return [column for column in self.reference.columns if column.name in self.columns]


@dataclass(frozen=True)
class Batch:
    """Rows as columns: `times` are microseconds since 1970 in UTC, or 0 where `timed` is not set."""

    rows: int
    table: pa.Table
    others: tuple[str, ...]
    times: NDArray[np.int64] | None = None
    timed: NDArray[np.bool_] | None = None

    def extent(self) -> tuple[datetime, datetime] | None:
        """The earliest and the newest time; None when no row has one."""
        if self.times is None or self.timed is None or not self.timed.any():
            return None
        known = self.times[self.timed]
        return to_moment(int(known.min())), to_moment(int(known.max()))

    def within(self, window: TimeWindow) -> NDArray[np.bool_]:
        """Which rows lie in a window of time."""
        assert self.times is not None
        assert self.timed is not None
        start, end = (to_microseconds(moment) for moment in (window.start, window.end))
        found: NDArray[np.bool_] = self.timed & (self.times >= start) & (self.times < end)
        return found

    def newest(self, chosen: NDArray[np.bool_] | slice) -> datetime | None:
        """The newest time of some rows; None when none has one."""
        if self.times is None or self.timed is None:
            return None
        known = self.times[chosen][self.timed[chosen]]
        return to_moment(int(known.max())) if len(known) else None


def make_batch(table: pa.Table, names: Sequence[str], rows: int, times: Any, wanted: Wanted) -> Batch:
    """The batch of a table of the watched columns; `names` are all that its rows have, `times` an Arrow array or None.

    Raises `InputError` when a column is of another type than the reference's.
    """
    for column in wanted.watched:
        kind = table.schema.field(column.name).type
        if not isinstance(column, OtherProfile) and family_of(kind) is not _arrow.expected_family(column):
            raise wrong_type(column, None)
    others = tuple(sorted(name for name in names if name not in wanted.columns)[:MOST_OTHERS])
    if times is None:
        return Batch(rows, table, others)
    moments, timed = instants(times, wanted.time_column, wanted.zone)
    return Batch(rows, table, others, moments, timed)


def check_columns(names: Sequence[str], wanted: Wanted, *, rows: int = 1) -> None:
    """Raise `InputError` when two columns have the same name, or a batch of some `rows` lacks a wanted one."""
    folded = {name.casefold() for name in names}
    if len(folded) != len(names):
        raise InputError(
            "two columns of the batch have the same name",
            slug="duplicate-columns",
            hint="Column names must differ by more than upper and lower case.",
        )
    # Rows of JSON name their columns, and no rows name none.
    if not rows:
        return
    needed = [column.name for column in wanted.watched]
    if wanted.needs_times:
        needed.append(wanted.time_column)
    missing = [name for name in dict.fromkeys(needed) if name not in names]
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        close = nearest(missing[0], names, most=1)
        raise bad_batch(
            f"the batch lacks {'the column' if len(missing) == 1 else 'columns'} {shown}",
            f"The nearest there is {close[0][:60]}."
            if close
            else "A column without values is sent as nulls.",
        )


def expected_type(column: ColumnProfile) -> pa.DataType:
    """The Arrow type that a column's values are read as."""
    import pyarrow as pa

    if isinstance(column, OtherProfile):
        return pa.string()
    family = _arrow.expected_family(column)
    if family is Family.NUMBER:
        return pa.int64() if _sql.is_integer(column.type) else pa.float64()
    return pa.bool_() if family is Family.BOOLEAN else pa.string()


def family_of(kind: pa.DataType) -> Family:
    """What kind of values an Arrow type holds."""
    return _sql.family_of(_arrow.duckdb_type(kind) or _arrow.other_type(kind))


def profile_part(batch: Batch, wanted: Wanted, chosen: NDArray[np.bool_] | slice) -> Profile:
    """The profile of some rows of a batch on the reference's edges, ready to be merged."""
    table = batch.table
    if isinstance(chosen, slice):
        table = table.slice(chosen.start, chosen.stop - chosen.start)
    elif not chosen.all():
        import pyarrow as pa

        table = table.filter(pa.array(chosen))
    table = table.combine_chunks()
    found = arrow_engine.profile_batches(table, wanted.reference, wanted.columns)
    return settled(found, wanted.reference, batch.others)


@cache
def require_arrow() -> None:
    """Raise `InputError` when the libraries that count pushed rows are not installed."""
    if not all(find_spec(name) for name in ("pyarrow", "numpy")):
        raise InputError(
            "pushed rows are counted with pyarrow, which is not installed",
            slug="not-installed",
            hint="pip install 'crisplens[arrow]'",
        )


def load_libraries() -> None:
    """Import what reads and counts batches, so that the first one need not wait for it."""
    require_arrow()
    import numpy  # noqa: F401
    import pyarrow.compute
    import pyarrow.csv
    import pyarrow.ipc  # noqa: F401

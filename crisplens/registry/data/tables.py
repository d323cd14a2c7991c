"""Tables of data sources and dataset versions."""

from __future__ import annotations

from sqlalchemy import BigInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from crisplens.core.columns import JsonText
from crisplens.core.database import Base
from crisplens.ledger.tables import Traced
from crisplens.registry.data.model import ColumnSchema
from crisplens.registry.model import VersionRef


class DataSourceRow(Traced, Base):
    """A data source as it was last described."""

    __tablename__ = "data_source"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    owner: Mapped[str] = mapped_column(Text)
    access: Mapped[str] = mapped_column(Text)
    permitted_use: Mapped[str] = mapped_column(Text)
    retention: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)


class DatasetVersionRow(Traced, Base):
    """One version of a dataset."""

    __tablename__ = "dataset_version"

    dataset: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    source: Mapped[str | None] = mapped_column(Text)
    derived_from: Mapped[tuple[VersionRef, ...]] = mapped_column(JsonText(tuple[VersionRef, ...]))
    run: Mapped[str | None] = mapped_column(Text)
    location: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    files: Mapped[int]
    format: Mapped[str] = mapped_column(Text)
    rows: Mapped[int | None] = mapped_column(BigInteger)
    columns: Mapped[tuple[ColumnSchema, ...]] = mapped_column(JsonText(tuple[ColumnSchema, ...]))
    replaced_by: Mapped[VersionRef | None] = mapped_column(JsonText(VersionRef))
    replaced_reason: Mapped[str | None] = mapped_column(Text)
    replaced_seq: Mapped[int | None] = mapped_column(BigInteger)

"""The ledger's tables: entries, the tree's nodes, and the one row that says how far the log goes."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from crisplens.core.database import Base


class LedgerEvent(Base):
    """One entry. `envelope` is the record; the columns beside it are derived from it, for look-ups."""

    __tablename__ = "ledger_event"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    envelope: Mapped[str] = mapped_column(Text)
    id: Mapped[str] = mapped_column(Text, unique=True)
    type: Mapped[str] = mapped_column(Text, index=True)
    version: Mapped[int]
    project: Mapped[str | None] = mapped_column(Text, index=True)
    actor: Mapped[str] = mapped_column(Text, index=True)
    recorded_at: Mapped[str] = mapped_column(Text, index=True)
    occurred_at: Mapped[str] = mapped_column(Text)


class LedgerNode(Base):
    """The hash of one complete subtree (see `merkle`)."""

    __tablename__ = "ledger_node"

    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    idx: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class LedgerHead(Base):
    """The newest tree: its size, root and frontier (32-byte hashes, joined). Writers queue on this row."""

    __tablename__ = "ledger_head"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    frontier: Mapped[bytes] = mapped_column(LargeBinary)


class Dated:
    """Columns of every projected row: which event put it there, by whom and when."""

    seq: Mapped[int] = mapped_column(BigInteger, sort_order=1)
    recorded_by: Mapped[str] = mapped_column(Text, sort_order=1)
    recorded_at: Mapped[str] = mapped_column(Text, sort_order=1)


class Traced(Dated):
    """Columns of every row that is a project's."""

    project: Mapped[str] = mapped_column(Text, primary_key=True, sort_order=-1)


LEDGER_TABLES = frozenset({LedgerEvent.__tablename__, LedgerNode.__tablename__, LedgerHead.__tablename__})

"""Tables of work in progress: what processes leave each other. No event tells of it, and no replay gives it back."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, MetaData, Table, Text

WORKING = MetaData(naming_convention={"pk": "pk_%(table_name)s"})

# Who is at work on what, until when. `token` grows with every holder, so that one that lost its lease is found out.
LEASES = Table(
    "working_lease",
    WORKING,
    Column("project", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
)

# The profile of the rows that were pushed to a monitor's window so far, and which batches they came in.
OPEN_WINDOWS = Table(
    "working_window",
    WORKING,
    Column("project", Text, primary_key=True),
    Column("monitor", Text, primary_key=True),
    Column("window_key", Text, primary_key=True),
    Column("rows", BigInteger, nullable=False),
    Column("profile", Text, nullable=False),
    Column("batches", Text, nullable=False),
    Column("newest", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
)

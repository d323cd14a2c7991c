"""Monitors decide over windows, on schedule, with responses; mutes; incidents are owned, handed up and linked."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "monitor_mute",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("monitor", sa.Text(), nullable=False),
        sa.Column("start", sa.Text(), nullable=False),
        sa.Column("end", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.Text(), nullable=True),
        sa.Column("ended_reason", sa.Text(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("project", "id", name=op.f("pk_monitor_mute")),
    )
    for column in ("constraints", "schedule", "change_reason", "retired_by", "retired_at", "retired_reason"):
        op.add_column("monitor", sa.Column(column, sa.Text(), nullable=True))
    for column, default in (("windows", '{"kind":"whole"}'), ("time_column", ""), ("response", "{}")):
        op.add_column("monitor", sa.Column(column, sa.Text(), nullable=False, server_default=default))
    for column, default in (
        ("window_key", ""),
        ("violations", "[]"),
        ("decision", '{"alarm":false,"reason":""}'),
    ):
        op.add_column("monitor_check", sa.Column(column, sa.Text(), nullable=False, server_default=default))
    for column in ("owner", "since"):
        op.add_column("incident", sa.Column(column, sa.Text(), nullable=False, server_default=""))
    for column in ("escalations", "links"):
        op.add_column("incident", sa.Column(column, sa.Text(), nullable=False, server_default="[]"))

"""Monitors watch performance too; schedulers and pushed rows have tables to work in."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "working_lease",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project", "name", name=op.f("pk_working_lease")),
    )
    op.create_table(
        "working_window",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("monitor", sa.Text(), nullable=False),
        sa.Column("window_key", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("batches", sa.Text(), nullable=False),
        sa.Column("newest", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("project", "monitor", "window_key", name=op.f("pk_working_window")),
    )
    op.create_index(
        "ix_monitor_check_window", "monitor_check", ["project", "monitor", "window_key", "recorded_at", "seq"]
    )
    for column in ("plan", "succeeds"):
        op.add_column("monitor", sa.Column(column, sa.Text(), nullable=True))

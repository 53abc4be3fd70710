"""Gather a job's members before it may be claimed to run."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "gathered",
        sa.Column("job", sa.String(length=64), nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("person", sa.BigInteger(), nullable=False),
        sa.Column("patient", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("job", "bucket", "person", "patient"),
        sqlite_with_rowid=False,
    )
    # Version 0.1 pinned the members of a job when it was accepted. From now on that state comes before they are.
    op.execute("UPDATE job SET state = 'gathered' WHERE state = 'accepted'")

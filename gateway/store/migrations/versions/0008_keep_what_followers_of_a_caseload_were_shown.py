"""Keep what followers of a caseload were shown."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "shown",
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("shown_until", "shown", ["until"], unique=False)
    op.create_index(
        "head_attending",
        "head",
        ["publisher", "type", "high", "patient"],
        unique=False,
        sqlite_where=sa.text("type IN (7, 10, 11) AND deleted = 0"),
        postgresql_where=sa.text("type IN (7, 10, 11) AND deleted = 0"),
    )

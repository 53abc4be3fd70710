"""Keep rulings, traces and proposals of identity."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "proposal",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("patient", sa.BigInteger(), nullable=False),
        sa.Column("other", sa.BigInteger(), nullable=False),
        sa.Column("probability", sa.BigInteger(), nullable=False),
        sa.Column("reasons", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("model", "patient", "other"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ruling",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("act", sa.Text(), server_default="", nullable=False),
        sa.Column("item", sa.Text(), server_default="", nullable=False),
        sa.Column("patient", sa.BigInteger(), nullable=False),
        sa.Column("other", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Text(), server_default="", nullable=False),
        sa.Column("undoes", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), server_default="", nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ruling_other", "ruling", ["other"], unique=False)
    op.create_index("ruling_patient", "ruling", ["patient"], unique=False)
    op.create_table(
        "trace",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("patient", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Text(), server_default="", nullable=False),
        sa.Column("answer", sa.Text(), server_default="", nullable=False),
        sa.Column("outcome", sa.Text(), server_default="", nullable=False),
        sa.Column("asked", sa.Text(), server_default="", nullable=False),
        sa.Column("answered", sa.Text(), server_default="", nullable=False),
        sa.Column("restricted", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("died", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("trace_patient", "trace", ["patient"], unique=False)
    op.create_index("trace_until", "trace", ["until"], unique=False)

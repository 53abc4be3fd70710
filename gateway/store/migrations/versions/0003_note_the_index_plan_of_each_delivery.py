"""Note the index plan of each delivery."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # Nobody knows by which plan older deliveries were indexed. Empty is no plan, so their sources are mapped again.
    op.add_column("delivery", sa.Column("plan", sa.Text(), server_default="", nullable=False))

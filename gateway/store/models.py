"""Reads and writes the cold tables as SQLModel models, in the transaction of a store's session.

Importing SQLModel takes about 0.3 s of processor time. Only modules of cold tables import this one at their head, and
no worker of a pool imports those; a module that is also read on the way of a request imports it where it writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlmodel

from gateway.store.session import Session


@contextmanager
def models(session: Session) -> Iterator[sqlmodel.Session]:
    """A SQLModel session on the connection and in the transaction of ``session``.

    Changes are flushed when the block ends, so plain statements that follow see them. Commit and rollback stay with
    the transaction's owner: ``Store.write`` has the writer's turn and the ``commit_seq``.
    """
    with sqlmodel.Session(session.connection(), join_transaction_mode="rollback_only") as rows:
        yield rows
        rows.flush()

"""The subscriptions of clients at rest, the versions that they are to look at, and the outbox of what is to be told.

The outbox is derived from the order in which versions are written: a version is noticed in the same transaction that
moves the subscription's cursor beyond it, so that nothing is lost and nothing noticed twice, whenever a process ends.
The worker reads them each second, so all is plain statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gateway.store import columns
from gateway.store.numbers import TYPE_NUMBER, TYPES
from gateway.store.session import Session

REQUESTED, ACTIVE, ERROR, OFF = "requested", "active", "error", "off"
"""The states, in the words of https://hl7.org/fhir/R4/valueset-subscription-status.html."""
LIVE = f"state IN ('{REQUESTED}', '{ACTIVE}')"
_ALL = columns.SUBSCRIPTION.all
_MARKS = ", ".join("?" * len(columns.SUBSCRIPTION.names))
_NOTICE = columns.NOTICE.only("version head event message")


class SubscriptionRow(NamedTuple):
    """One subscription as it lies in the store; times are µs UTC, 0 where there is none."""

    id: str
    issuer: str
    client: str
    organisation: str
    type: int
    state: str
    error: str
    base: str
    body: str
    headers: str
    number: int = 1
    created: int = 0
    changed: int = 0
    until: int = 0
    cursor: int = 0
    events: int = 0
    failures: int = 0
    due: int = 0
    lease: int = 0


class NoticeRow(NamedTuple):
    """One version in the outbox of a subscription."""

    version: int
    head: int
    event: int
    message: str


def type_number(resource_type: str) -> int:
    """The number by which the store knows a type."""
    return TYPE_NUMBER[resource_type]


def type_name(number: int) -> str:
    """The type that the store knows by a number."""
    return TYPES[number]


def add(session: Session, row: SubscriptionRow) -> SubscriptionRow:
    """Add a subscription, which looks at what is written from now on; return it with its times."""
    row = row._replace(created=session.now, changed=session.now, cursor=last_version(session))
    session.run(f"INSERT INTO subscription ({_ALL}) VALUES ({_MARKS})", *row)
    return row


def get(session: Session, id_: str) -> SubscriptionRow | None:
    """A subscription, or None. An id that the store cannot hold is unknown."""
    if "\0" in id_:
        return None
    row = session.row(f"SELECT {_ALL} FROM subscription WHERE id = ?", id_)
    return SubscriptionRow(*row) if row else None


def of_client(session: Session, issuer: str, client: str) -> list[SubscriptionRow]:
    """The subscriptions of one client of an issuer, in the order in which they were made."""
    sql = f"SELECT {_ALL} FROM subscription WHERE client = ? AND issuer = ? ORDER BY created, id"
    return [SubscriptionRow(*row) for row in session.rows(sql, client, issuer)]


def every(session: Session, *, is_live: bool = False) -> list[SubscriptionRow]:
    """All subscriptions, or those that are told of something, in the order in which they were made."""
    where = f"WHERE {LIVE}" if is_live else ""
    return [
        SubscriptionRow(*row) for row in session.rows(f"SELECT {_ALL} FROM subscription {where} ORDER BY created, id")
    ]


def replace(session: Session, row: SubscriptionRow) -> SubscriptionRow:
    """Write what a client changed of a subscription as its next version. Where it stands in the sending stays."""
    row = row._replace(changed=session.now, number=row.number + 1)
    session.run(
        "UPDATE subscription SET state = ?, error = ?, body = ?, headers = ?, number = ?, changed = ?, until = ? WHERE id = ?",
        row.state, row.error, row.body, row.headers, row.number, row.changed, row.until, row.id,
    )  # fmt: skip
    return row


def set_state(session: Session, row: SubscriptionRow, state: str, error: str = "") -> bool:
    """Set the state of a subscription and why it has it: a version of its own. Its next attempt is due at once. False,
    and nothing is done, where somebody has changed it since it was read."""
    changed = session.run(
        "UPDATE subscription SET state = ?, error = ?, failures = 0, due = 0, number = number + 1, changed = ? "
        "WHERE id = ? AND number = ?",
        state, error, session.now, row.id, row.number,
    )  # fmt: skip
    return bool(changed)


def retry(session: Session, id_: str) -> None:
    """Have the next attempt due at once, as if none had failed."""
    session.run("UPDATE subscription SET failures = 0, due = 0 WHERE id = ?", id_)


def begin_anew(session: Session, id_: str) -> None:
    """Look at nothing that was written up to now, and forget what waits."""
    forget(session, id_)
    session.run("UPDATE subscription SET cursor = ? WHERE id = ?", last_version(session), id_)


def remove(session: Session, id_: str) -> None:
    """Remove a subscription and what waits of it."""
    forget(session, id_)
    session.run("DELETE FROM subscription WHERE id = ?", id_)


def forget(session: Session, id_: str) -> None:
    """Remove all that waits of a subscription."""
    session.run("DELETE FROM notice WHERE subscription = ?", id_)


def last_version(session: Session) -> int:
    """The number of the newest version of any resource. Versions are numbered in the order of their commits."""
    number: int = session.value("SELECT max(key) FROM version") or 0
    return number


def changed_between(session: Session, type_: int, after: int, upto: int) -> dict[int, int]:
    """Head → its newest version, of the resources of a type about people that were written after one version and up to
    another, in the order written."""
    sql = (
        "SELECT v.head, max(v.key) FROM version v JOIN head h ON h.key = v.head "
        "WHERE v.key > ? AND v.key <= ? AND h.type = ? AND h.patient <> 0 GROUP BY v.head ORDER BY 2"
    )
    return dict(session.rows(sql, after, upto, type_))


def notice(session: Session, row: SubscriptionRow, upto: int, versions: Sequence[tuple[int, int]]) -> bool:
    """Move the cursor of a subscription, and put these (version, head) into its outbox. False, and nothing is done,
    where another process has moved it."""
    if not session.run("UPDATE subscription SET cursor = ? WHERE id = ? AND cursor = ?", upto, row.id, row.cursor):
        return False
    session.insert("notice", columns.NOTICE.all, [(row.id, version, head, 0, "") for version, head in versions])
    return True


def waiting(session: Session, id_: str, most: int) -> list[NoticeRow]:
    """What waits in the outbox of a subscription, oldest first: of a notification that was begun all, and nothing
    else."""
    sql = f"SELECT {_NOTICE} FROM notice WHERE subscription = ? ORDER BY version LIMIT ?"
    rows = [NoticeRow(*row) for row in session.rows(sql, id_, most)]
    message = rows[0].message if rows else ""
    return [row for row in rows if row.message == message]


def count_waiting(session: Session, id_: str) -> int:
    """How many versions wait in the outbox of a subscription."""
    number: int = session.value("SELECT count(*) FROM notice WHERE subscription = ?", id_)
    return number


def is_soon(session: Session, now: int) -> bool:
    """Whether something waits that has not failed, and is not due only because another was just told."""
    sql = (
        f"SELECT count(*) FROM subscription s WHERE {LIVE} AND failures = 0 AND lease = 0 AND due > ? "
        "AND EXISTS (SELECT 1 FROM notice n WHERE n.subscription = s.id)"
    )
    return bool(session.value(sql, now))


def begin(
    session: Session,
    row: SubscriptionRow,
    notices: Sequence[NoticeRow],
    dropped: Sequence[int],
    message: str,
    lease: int,
) -> list[NoticeRow] | None:
    """Begin a notification of some notices: number them, drop others, and hold the subscription until ``lease``. Their
    numbers follow what was taken, and are spent when they are: what is dropped before leaves no gap. None, and nothing
    is done, where another process holds it or has changed it since it was read."""
    if not session.run(
        "UPDATE subscription SET lease = ? WHERE id = ? AND lease = ? AND number = ? AND events = ?",
        lease, row.id, row.lease, row.number, row.events,
    ):  # fmt: skip
        return None
    _drop(session, row.id, dropped)
    begun = [
        entry._replace(event=number, message=message) for number, entry in enumerate(notices, start=row.events + 1)
    ]
    session.many(
        "UPDATE notice SET event = ?, message = ? WHERE subscription = ? AND version = ?",
        [(entry.event, message, row.id, entry.version) for entry in begun],
    )
    return begun


def drop(session: Session, row: SubscriptionRow, versions: Iterable[int]) -> bool:
    """Remove versions from the outbox of a subscription, and with them the attempts to tell of them. False, and nothing
    is done, where another process holds it or has changed it since it was read."""
    sql = "UPDATE subscription SET failures = 0, due = 0 WHERE id = ? AND lease = ? AND number = ? AND events = ?"
    if not session.run(sql, row.id, row.lease, row.number, row.events):
        return False
    _drop(session, row.id, versions)
    return True


def _drop(session: Session, id_: str, versions: Iterable[int]) -> None:
    session.many("DELETE FROM notice WHERE subscription = ? AND version = ?", [(id_, version) for version in versions])


def delivered(session: Session, id_: str, lease: int, message: str, due: int, events: int) -> bool:
    """A notification of so many events was taken: it is removed, and the next one is due. False where another process
    holds the subscription."""
    sql = "UPDATE subscription SET lease = 0, failures = 0, due = ?, events = events + ? WHERE id = ? AND lease = ?"
    if not session.run(sql, due, events, id_, lease):
        return False
    session.run("DELETE FROM notice WHERE subscription = ? AND message = ?", id_, message)
    return True


def failed(session: Session, id_: str, lease: int, due: int) -> bool:
    """An attempt failed: the same notification is due again. False where another process holds the subscription."""
    sql = "UPDATE subscription SET lease = 0, failures = failures + 1, due = ? WHERE id = ? AND lease = ?"
    return bool(session.run(sql, due, id_, lease))

"""The research store: what was pulled of each region, as it was sent, in a database that is no gateway's.

A release and all that it changes are one transaction. The statements are made by SQLAlchemy, for SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import sqlalchemy
from sqlalchemy import BigInteger, Column, LargeBinary, String, func
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel, select

from gateway.store.connecting import new_engine

BATCH = 1000
"""Resources of one statement."""


class _Kept(SQLModel, registry=registry()):
    """The tables of a research store: none of a gateway's."""


class Job(_Kept, table=True):
    """An export that was asked for and is not applied yet: its status address, since when and what was asked for."""

    __tablename__ = "pull_job"
    region: str = Field(sa_column=Column(String(40), primary_key=True))
    place: str
    since: str
    scope: str


class Release(_Kept, table=True):
    """A release that was applied: when its data was so (``until``, an instant; that of ``since`` where it is a part),
    since when ("" for all) and what was asked for, whether the region told of errors in it, and what it said of it."""

    __tablename__ = "pull_release"
    region: str = Field(sa_column=Column(String(40), primary_key=True))
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    until: str
    since: str
    scope: str
    is_part: bool = False
    applied: int = Field(sa_column=Column(BigInteger, nullable=False))
    facts: str


class Resource(_Kept, table=True):
    """A resource as its region sent it, and in which of its releases it last came."""

    __tablename__ = "pull_resource"
    region: str = Field(sa_column=Column(String(40), primary_key=True))
    type: str = Field(sa_column=Column(String(40), primary_key=True))
    id: str = Field(sa_column=Column(String(64), primary_key=True))
    release: int = Field(sa_column=Column(BigInteger, nullable=False))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


RESOURCE = Resource.__table__  # type: ignore[attr-defined]
Key = tuple[str, str]
"""Type and id."""


class ResearchStore:
    """A research store at a URL, made where there is none. Used as a context manager, it closes its connections."""

    def __init__(self, url: str):
        self._engine = new_engine(url)
        _Kept.metadata.create_all(self._engine)

    def __enter__(self) -> ResearchStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    @contextmanager
    def _rows(self) -> Iterator[Connection]:
        """A transaction that reads and writes, whole or not at all."""
        with self._engine.connect().execution_options(gateway_write=True) as connection, connection.begin():
            yield connection

    def job(self, region: str) -> Job | None:
        """The export that was asked of a region and is not applied yet."""
        columns = Job.__table__.c  # type: ignore[attr-defined]
        with self._rows() as rows:
            row = rows.execute(select(*columns).where(columns.region == region)).one_or_none()
        return None if row is None else Job(**row._mapping)

    def keep(self, job: Job) -> None:
        """Note that an export was asked for, in place of the one noted before."""
        with self._rows() as rows:
            _drop_job(rows, job.region)
            rows.execute(sqlalchemy.insert(Job).values(**job.model_dump()))

    def drop(self, region: str) -> None:
        """Forget the export that was asked of a region: it has to be asked for again."""
        with self._rows() as rows:
            _drop_job(rows, region)

    def newest(self, region: str) -> Release | None:
        """The release of a region that was applied last."""
        with self._rows() as rows:
            columns = Release.__table__.c  # type: ignore[attr-defined]
            row = rows.execute(
                select(*columns).where(columns.region == region).order_by(columns.number.desc()).limit(1)
            ).one_or_none()
        return None if row is None else Release(**row._mapping)

    def apply(
        self, release: Release, deleted: Iterable[Key], resources: Iterable[tuple[Key, bytes]]
    ) -> tuple[Counter[str], int]:
        """Apply a release, and forget its job: how many resources of each type it brought, and how many went.

        What its region names as deleted goes first. After a whole release of all, what it does not hold goes as well.
        Whatever ``deleted`` and ``resources`` raise leaves the store as it was.
        """
        brought: Counter[str] = Counter()
        with self._rows() as rows:
            gone = sum(_delete(rows, release.region, key) for key in deleted)
            waiting = iter(resources)
            while batch := dict(islice(waiting, BATCH)):
                brought.update(name for name, _ in batch)
                _upsert(rows, release, batch)
            if not release.since and not release.is_part:
                gone += _delete_older(rows, release)
            rows.execute(sqlalchemy.insert(Release).values(**release.model_dump()))
            _drop_job(rows, release.region)
        return brought, gone

    def counts(self, region: str) -> dict[str, int]:
        """How many resources of each type are held of a region."""
        with self._rows() as rows:
            columns = RESOURCE.c
            query = select(columns.type, func.count()).where(columns.region == region).group_by(columns.type)
            return {str(name): int(count) for name, count in rows.execute(query.order_by(columns.type))}

    def bodies(self, region: str, name: str) -> Iterator[bytes]:
        """The resources of a type that are held of a region, by their ids."""
        with self._rows() as rows:
            columns = RESOURCE.c
            query = select(columns.body).where(columns.region == region, columns.type == name)
            for (body,) in rows.execute(query.order_by(columns.id)):
                yield bytes(body)


def _drop_job(rows: Connection, region: str) -> None:
    rows.execute(sqlalchemy.delete(Job).where(Job.__table__.c.region == region))  # type: ignore[attr-defined]


def _delete(rows: Connection, region: str, key: Key) -> int:
    columns = RESOURCE.c
    where = (columns.region == region, columns.type == key[0], columns.id == key[1])
    return rows.execute(sqlalchemy.delete(RESOURCE).where(*where)).rowcount


def _delete_older(rows: Connection, release: Release) -> int:
    """What is held of a region of releases before this one."""
    columns = RESOURCE.c
    where = (columns.region == release.region, columns.release < release.number)
    return rows.execute(sqlalchemy.delete(RESOURCE).where(*where)).rowcount


def _upsert(rows: Connection, release: Release, batch: dict[Key, bytes]) -> None:
    values: list[dict[str, Any]] = [
        {"region": release.region, "type": name, "id": id_, "release": release.number, "body": body}
        for (name, id_), body in batch.items()
    ]
    insert: Any = postgresql.insert if rows.dialect.name == "postgresql" else sqlite.insert
    statement = insert(RESOURCE)
    rows.execute(
        statement.on_conflict_do_update(
            index_elements=["region", "type", "id"],
            set_={"release": statement.excluded.release, "body": statement.excluded.body},
        ),
        values,
    )

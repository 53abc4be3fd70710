"""The tables, patient first: integer keys, 64-bit hashes in narrow indexes, bodies in append-only order.

This is the one home of the schema. ``python -m gateway.store.migrations "Title"`` generates the next migration and
``columns.py`` from it, and tests compare both with it. Cold tables are read and written as these models, see
``models.py``. Hot statements are plain SQL with the column lists of ``columns.py``. Booleans are 0 and 1 and times are
microseconds UTC, so that one SQL text serves both databases.
"""

from typing import Any

import sqlalchemy
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from gateway.store.numbers import MAY_ATTEND


def big() -> Column[Any]:
    return Column(BigInteger, nullable=False)


def serial() -> Column[Any]:
    """An integer key handed out by the writer, which is the row number on SQLite."""
    return Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False)


def small() -> Column[Any]:
    return Column(SmallInteger, nullable=False, server_default="0")


def text() -> Column[Any]:
    return Column(Text, nullable=False, server_default="")


CLUSTERED = {"sqlite_with_rowid": False}
_LABELLED = sqlalchemy.text("labels <> 0")
_MAY_ATTEND = sqlalchemy.text(MAY_ATTEND)


class StoreInfo(SQLModel, table=True):
    """What this store is: sandbox or live, and the namespace its ids are made in."""

    __tablename__ = "store"
    id: str = Field(sa_column=Column(String(36), primary_key=True))
    mode: str = Field(sa_column=text())
    namespace: str = Field(sa_column=text())
    created: int = Field(sa_column=big())


class Clock(SQLModel, table=True):
    """The one counter that orders everything: last commit, last time given, last keys handed out, last change of
    labels."""

    __tablename__ = "clock"
    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    commit_seq: int = Field(sa_column=big())
    updated: int = Field(sa_column=big())
    label_seq: int = Field(sa_column=big())


class Publisher(SQLModel, table=True):
    """One practice, trust or council, in the words of one source. ``ord``, ``named`` and ``placed`` are the orders of
    what was last said of its state, its name and its ODS code."""

    __tablename__ = "publisher"
    __table_args__ = (UniqueConstraint("source", "code"),)
    key: int = Field(sa_column=serial())
    source: str = Field(sa_column=Column(String(64), nullable=False))
    code: str = Field(sa_column=Column(String(128), nullable=False))
    ods: str = Field(sa_column=text())
    name: str = Field(sa_column=text())
    kind: int = Field(sa_column=small())
    state: str = Field(sa_column=text())
    ord: int = Field(sa_column=big())
    named: int = Field(sa_column=big())
    placed: int = Field(sa_column=big())
    received: int = Field(sa_column=big())


class Sharing(SQLModel, table=True):
    """Whether a publisher shares under one agreement, as was last said of the two. A publisher may be in several."""

    __tablename__ = "sharing"
    publisher: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    agreement: str = Field(sa_column=Column(String(128), primary_key=True))
    state: str = Field(sa_column=text())
    ord: int = Field(sa_column=big())


class Delivery(SQLModel, table=True):
    """One load: what came, with which mapping and code sets, and its report. ``plan`` is the fingerprint of the index
    plan that everything of the source was indexed by when it ended, empty where some of it was by another."""

    __tablename__ = "delivery"
    key: int = Field(sa_column=serial())
    source: str = Field(sa_column=text())
    name: str = Field(sa_column=text())
    mapping: str = Field(sa_column=text())
    plan: str = Field(sa_column=text())
    first: int = Field(sa_column=big())
    started: int = Field(sa_column=big())
    state: str = Field(sa_column=text())
    report: str = Field(sa_column=text())


class Kept(SQLModel, table=True):
    """The newest accepted row per (source, publisher, table, key).

    ``vord`` is the order of its values, ``ord`` of its last word (a delete may be newer).
    """

    __tablename__ = "kept"
    __table_args__ = (Index("kept_hash", "hash", unique=True), Index("kept_grp", "grp"))
    key: int = Field(sa_column=serial())
    hash: int = Field(sa_column=big())
    grp: int = Field(sa_column=big())
    patient: int = Field(sa_column=big())
    delivery: int = Field(sa_column=big())
    publisher: int = Field(sa_column=big())
    ord: int = Field(sa_column=big())
    vord: int = Field(sa_column=big())
    deleted: int = Field(sa_column=small())
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Member(SQLModel, table=True):
    """A row's groups beyond its first."""

    __tablename__ = "member"
    __table_args__ = (PrimaryKeyConstraint("grp", "kept"), Index("member_kept", "kept"), CLUSTERED)
    grp: int = Field(sa_column=big())
    kept: int = Field(sa_column=big())


class Depends(SQLModel, table=True):
    """Which groups asked about a row (present or not): when it changes they are mapped again."""

    __tablename__ = "depends"
    __table_args__ = (PrimaryKeyConstraint("dep", "patient", "grp"), CLUSTERED)
    dep: int = Field(sa_column=big())
    patient: int = Field(sa_column=big())
    grp: int = Field(sa_column=big())


class Touched(SQLModel, table=True):
    """Groups to map again though none of their rows came in this delivery."""

    __tablename__ = "touched"
    __table_args__ = (PrimaryKeyConstraint("delivery", "patient", "grp"), CLUSTERED)
    delivery: int = Field(sa_column=big())
    patient: int = Field(sa_column=big())
    grp: int = Field(sa_column=big())


class Quarantine(SQLModel, table=True):
    """A group that could not be mapped: the place and the reason, never the value."""

    __tablename__ = "quarantine"
    grp: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    source: str = Field(sa_column=text())
    patient: int = Field(sa_column=big())
    delivery: int = Field(sa_column=big())
    place: str = Field(sa_column=text())
    reason: str = Field(sa_column=text())


class Rejected(SQLModel, table=True):
    """Something that could not be read, as it was sent, to be read again after a fix: the name of its file, its place
    and the reason. ``hash`` names what was sent by which feed, so that it is kept once."""

    __tablename__ = "rejected"
    __table_args__ = (Index("rejected_hash", "hash", unique=True),)
    key: int = Field(sa_column=serial())
    hash: int = Field(sa_column=big())
    source: str = Field(sa_column=text())
    feed: str = Field(sa_column=text())
    delivery: int = Field(sa_column=big())
    at: int = Field(sa_column=big())
    name: str = Field(sa_column=text())
    place: str = Field(sa_column=text())
    reason: str = Field(sa_column=text())
    size: int = Field(sa_column=big())
    payload: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Head(SQLModel, table=True):
    """One a resource, kept after deletion. ``id_hash`` is the start of its UUID, ``patient`` that of its Patient's."""

    __tablename__ = "head"
    __table_args__ = (
        Index("head_id", "id_hash", unique=True),
        Index("head_grp", "grp"),
        Index("head_patient", "patient", "type", "low", "key"),
        Index("head_labelled", "patient", sqlite_where=_LABELLED, postgresql_where=_LABELLED),
        Index(
            "head_attending",
            "publisher",
            "type",
            "high",
            "patient",
            sqlite_where=_MAY_ATTEND,
            postgresql_where=_MAY_ATTEND,
        ),
    )
    key: int = Field(sa_column=serial())
    type: int = Field(sa_column=small())
    id: str = Field(sa_column=Column(String(64), nullable=False))
    id_hash: int = Field(sa_column=big())
    patient: int = Field(sa_column=big())
    grp: int = Field(sa_column=big())
    publisher: int = Field(sa_column=big())
    kind: int = Field(sa_column=small())
    own: int = Field(sa_column=big())
    labels: int = Field(sa_column=big())
    number: int = Field(sa_column=Column(Integer, nullable=False))
    updated: int = Field(sa_column=big())
    commit_seq: int = Field(sa_column=big())
    seen_seq: int = Field(sa_column=big())
    low: int = Field(sa_column=big())
    high: int = Field(sa_column=big())
    deleted: int = Field(sa_column=small())
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    body: int = Field(sa_column=big())


class Version(SQLModel, table=True):
    """Every version of every resource, in the order written. The current one is ``head.body``; older ones are found
    through ``history``."""

    __tablename__ = "version"
    key: int = Field(sa_column=serial())
    head: int = Field(sa_column=big())
    number: int = Field(sa_column=Column(Integer, nullable=False))
    updated: int = Field(sa_column=big())
    commit_seq: int = Field(sa_column=big())
    delivery: int = Field(sa_column=big())
    ord: int = Field(sa_column=big())
    mapping: str = Field(sa_column=text())
    deleted: int = Field(sa_column=small())
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class History(SQLModel, table=True):
    """Superseded versions only."""

    __tablename__ = "history"
    __table_args__ = (PrimaryKeyConstraint("head", "number"), CLUSTERED)
    head: int = Field(sa_column=big())
    number: int = Field(sa_column=Column(Integer, nullable=False))
    version: int = Field(sa_column=big())


class Entry(SQLModel, table=True):
    """Index entries of current versions, clustered by patient."""

    __tablename__ = "entry"
    __table_args__ = (PrimaryKeyConstraint("patient", "param", "value", "head"), CLUSTERED)
    patient: int = Field(sa_column=big())
    param: int = Field(sa_column=small())
    value: int = Field(sa_column=big())
    head: int = Field(sa_column=big())


class EntryGlobal(SQLModel, table=True):
    """Index entries that may be found without a patient (identifiers, directory types)."""

    __tablename__ = "entry_global"
    __table_args__ = (PrimaryKeyConstraint("param", "value", "head"), Index("entry_global_head", "head"), CLUSTERED)
    param: int = Field(sa_column=small())
    value: int = Field(sa_column=big())
    head: int = Field(sa_column=big())


class Word(SQLModel, table=True):
    """Folded text for string parameters, in the order of its code points: what begins alike lies together, whatever
    the database's language."""

    __tablename__ = "word"
    __table_args__ = (PrimaryKeyConstraint("param", "word", "head"), Index("word_head", "head"), CLUSTERED)
    param: int = Field(sa_column=small())
    word: str = Field(
        sa_column=Column(String(255).with_variant(String(255, collation="C"), "postgresql"), nullable=False)
    )
    head: int = Field(sa_column=big())


class SecondDate(SQLModel, table=True):
    """Dates other than the type's main one."""

    __tablename__ = "second_date"
    __table_args__ = (
        PrimaryKeyConstraint("head", "param", "low"),
        Index("second_date_low", "param", "low", "head"),
        CLUSTERED,
    )
    head: int = Field(sa_column=big())
    param: int = Field(sa_column=small())
    low: int = Field(sa_column=big())
    high: int = Field(sa_column=big())


class Label(SQLModel, table=True):
    """Why a resource carries a label bit. On the resource, so it covers every version of it."""

    __tablename__ = "label"
    __table_args__ = (PrimaryKeyConstraint("patient", "head", "bit"), CLUSTERED)
    patient: int = Field(sa_column=big())
    head: int = Field(sa_column=big())
    bit: int = Field(sa_column=big())
    cause: str = Field(sa_column=text())


class Claim(SQLModel, table=True):
    """The evidence each Patient resource gives about who it is: numbers it claims and what must agree."""

    __tablename__ = "claim"
    __table_args__ = (PrimaryKeyConstraint("patient", "number"), Index("claim_number", "number"), CLUSTERED)
    patient: int = Field(sa_column=big())
    number: str = Field(sa_column=Column(String(64), nullable=False))
    evidence: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Person(SQLModel, table=True):
    """Which Patients are gathered into one person, how surely and why. Derived: it can be rebuilt from claims."""

    __tablename__ = "person"
    patient: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    person: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))
    grade: str = Field(sa_column=text())
    why: str = Field(sa_column=text())


class Mismatch(SQLModel, table=True):
    """Patients that share a number and were not gathered: shown as a possible mismatch, listed for review."""

    __tablename__ = "mismatch"
    __table_args__ = (PrimaryKeyConstraint("number", "patient"), CLUSTERED)
    number: str = Field(sa_column=Column(String(64), nullable=False))
    patient: int = Field(sa_column=big())
    why: str = Field(sa_column=text())


class Ruling(SQLModel, table=True):
    """What a person decided about who a record is of, append-only: ``act`` is ``confirm``, ``separate``, ``join`` or
    ``undo`` (of the ruling ``undoes``). ``patient`` and ``other`` are Patients, 0 where none is meant."""

    __tablename__ = "ruling"
    __table_args__ = (Index("ruling_patient", "patient"), Index("ruling_other", "other"))
    key: int = Field(sa_column=serial())
    at: int = Field(sa_column=big())
    act: str = Field(sa_column=text())
    item: str = Field(sa_column=text())
    patient: int = Field(sa_column=big())
    other: int = Field(sa_column=big())
    number: str = Field(sa_column=text())
    undoes: int = Field(sa_column=big())
    by: str = Field(sa_column=text())
    why: str = Field(sa_column=text())


class Trace(SQLModel, table=True):
    """What PDS answered about one Patient's number, or about a Patient without one. ``asked`` and ``answered`` are
    digests of what was compared; the newest row of a Patient counts, until ``until``."""

    __tablename__ = "trace"
    __table_args__ = (Index("trace_patient", "patient"), Index("trace_until", "until"))
    key: int = Field(sa_column=serial())
    patient: int = Field(sa_column=big())
    number: str = Field(sa_column=text())
    answer: str = Field(sa_column=text())
    outcome: str = Field(sa_column=text())
    asked: str = Field(sa_column=text())
    answered: str = Field(sa_column=text())
    restricted: int = Field(sa_column=small())
    died: str = Field(sa_column=text())
    at: int = Field(sa_column=big())
    until: int = Field(sa_column=big())


class Proposal(SQLModel, table=True):
    """Two Patients that may be one person, with the probability in millionths and the reasons by field. It gathers
    nobody."""

    __tablename__ = "proposal"
    __table_args__ = (PrimaryKeyConstraint("model", "patient", "other"), CLUSTERED)
    model: str = Field(sa_column=Column(String(64), nullable=False))
    patient: int = Field(sa_column=big())
    other: int = Field(sa_column=big())
    probability: int = Field(sa_column=big())
    reasons: str = Field(sa_column=text())
    at: int = Field(sa_column=big())


class Preference(SQLModel, table=True):
    """A coded choice of the patient (summary consent, Type 1 …) found in a resource; the latest dated one stands."""

    __tablename__ = "preference"
    __table_args__ = (PrimaryKeyConstraint("patient", "head"), CLUSTERED)
    patient: int = Field(sa_column=big())
    head: int = Field(sa_column=big())
    name: str = Field(sa_column=text())
    at: str = Field(sa_column=text())


class Permission(SQLModel, table=True):
    """Permission to view, recorded for a number by an organisation. ``audit`` holds who and why."""

    __tablename__ = "permission"
    key: int = Field(sa_column=serial())
    number: str = Field(sa_column=Column(String(10), nullable=False, index=True))
    ods: str = Field(sa_column=text())
    user_id: str = Field(sa_column=text())
    basis: str = Field(sa_column=text())
    reason: str = Field(sa_column=text())
    at: int = Field(sa_column=big())
    until: int = Field(sa_column=big())


class Alert(SQLModel, table=True):
    """A privacy alert of an organisation, as it stands now. It names who acted and never a patient: ``request`` leads
    to the event of the audit. ``cause`` is the digest of what raised it, so that nothing raises one twice."""

    __tablename__ = "alert"
    __table_args__ = (UniqueConstraint("cause"), Index("alert_ods", "ods", "state", "at"))
    key: int = Field(sa_column=serial())
    cause: str = Field(sa_column=Column(String(64), nullable=False))
    ods: str = Field(sa_column=Column(String(32), nullable=False))
    type: str = Field(sa_column=text())
    subtype: str = Field(sa_column=text())
    rule: str = Field(sa_column=text())
    user_id: str = Field(sa_column=text())
    name: str = Field(sa_column=text())
    role: str = Field(sa_column=text())
    request: str = Field(sa_column=text())
    state: str = Field(sa_column=Column(String(32), nullable=False))
    at: int = Field(sa_column=big())


class AlertStep(SQLModel, table=True):
    """One step of the history of a privacy alert, append-only: the state it came to, by whom, with which note."""

    __tablename__ = "alert_step"
    __table_args__ = (PrimaryKeyConstraint("alert", "number"), CLUSTERED)
    alert: int = Field(sa_column=big())
    number: int = Field(sa_column=Column(Integer, nullable=False))
    state: str = Field(sa_column=text())
    by: str = Field(sa_column=text())
    note: str = Field(sa_column=text())
    at: int = Field(sa_column=big())


class Client(SQLModel, table=True):
    """A system that may ask this gateway for tokens: whom it acts for, what it may ask, and its public keys, inline or
    by an address. ``publishers`` are ``source:code``; lists are separated by spaces."""

    __tablename__ = "client"
    id: str = Field(sa_column=Column(String(128), primary_key=True))
    name: str = Field(sa_column=text())
    organisation: str = Field(sa_column=text())
    publishers: str = Field(sa_column=text())
    projects: str = Field(sa_column=text())
    scopes: str = Field(sa_column=text())
    jwks: str = Field(sa_column=text())
    jwks_url: str = Field(sa_column=text())
    state: str = Field(sa_column=text())
    added: int = Field(sa_column=big())
    changed: int = Field(sa_column=big())


class Spent(SQLModel, table=True):
    """What holds once and was used, or held and was taken back, by its digest: assertions, codes, tokens. A row is
    kept until what it stands for would have ended."""

    __tablename__ = "spent"
    __table_args__ = (PrimaryKeyConstraint("kind", "digest"), Index("spent_until", "until"), CLUSTERED)
    kind: str = Field(sa_column=Column(String(16), nullable=False))
    digest: str = Field(sa_column=Column(String(64), nullable=False))
    until: int = Field(sa_column=big())


class Shown(SQLModel, table=True):
    """What a follower of a caseload was last shown, in parts that are named by their digest and never changed: one
    lists the people, one for each of them the resources by key. Kept until nobody can ask with it any more."""

    __tablename__ = "shown"
    __table_args__ = (Index("shown_until", "until"),)
    digest: str = Field(sa_column=Column(String(32), primary_key=True))
    until: int = Field(sa_column=big())
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Subscription(SQLModel, table=True):
    """What a client of an issuer wants to be told of, and how that stands. ``body`` is the resource as its client sees
    it at our address ``base``, ``headers`` what each notification carries, sealed. Every version up to ``cursor`` was
    looked at; ``events`` were numbered, ``failures`` attempts in a row failed, the next one is ``due``, and who sends
    holds it until ``lease``."""

    __tablename__ = "subscription"
    id: str = Field(sa_column=Column(String(36), primary_key=True))
    issuer: str = Field(sa_column=text())
    client: str = Field(sa_column=Column(String(128), nullable=False, index=True))
    organisation: str = Field(sa_column=text())
    type: int = Field(sa_column=small())
    state: str = Field(sa_column=text())
    error: str = Field(sa_column=text())
    base: str = Field(sa_column=text())
    body: str = Field(sa_column=text())
    headers: str = Field(sa_column=text())
    number: int = Field(sa_column=big())
    created: int = Field(sa_column=big())
    changed: int = Field(sa_column=big())
    until: int = Field(sa_column=big())
    cursor: int = Field(sa_column=big())
    events: int = Field(sa_column=big())
    failures: int = Field(sa_column=big())
    due: int = Field(sa_column=big())
    lease: int = Field(sa_column=big())


class Notice(SQLModel, table=True):
    """The outbox: a version of which a subscriber is to be told. ``event`` and ``message`` are its number and the id of
    its notification, given before the first attempt; 0 and empty until then."""

    __tablename__ = "notice"
    __table_args__ = (PrimaryKeyConstraint("subscription", "version"), CLUSTERED)
    subscription: str = Field(sa_column=Column(String(36), nullable=False))
    version: int = Field(sa_column=big())
    head: int = Field(sa_column=big())
    event: int = Field(sa_column=big())
    message: str = Field(sa_column=text())


class Handle(SQLModel, table=True):
    """What a secret stands for that somebody holds, by its digest: the session of a browser, a sign-in under way, an
    app's launch, code or refresh token. ``family`` ties those that end together; ``used`` is when one that holds once
    was used, or a session was last seen."""

    __tablename__ = "handle"
    __table_args__ = (
        PrimaryKeyConstraint("kind", "digest"),
        Index("handle_family", "kind", "family"),
        Index("handle_subject", "kind", "issuer", "subject"),
        Index("handle_until", "until"),
        CLUSTERED,
    )
    kind: str = Field(sa_column=Column(String(16), nullable=False))
    digest: str = Field(sa_column=Column(String(64), nullable=False))
    family: str = Field(sa_column=Column(String(128), nullable=False))
    issuer: str = Field(sa_column=Column(String(500), nullable=False))
    subject: str = Field(sa_column=Column(String(256), nullable=False))
    body: str = Field(sa_column=text())
    used: int = Field(sa_column=big())
    until: int = Field(sa_column=big())


class WriteAudit(SQLModel, table=True):
    """What was changed and by whom, in the transaction that changed it. On PostgreSQL also every read."""

    __tablename__ = "audit"
    seq: int | None = Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    )
    at: int = Field(sa_column=big())
    stream: str = Field(sa_column=Column(String(8), nullable=False))
    event: str = Field(sa_column=text())


class Seal(SQLModel, table=True):
    """A link of the audit's hash chain over the rows up to ``last``."""

    __tablename__ = "seal"
    __table_args__ = (PrimaryKeyConstraint("stream", "last"), CLUSTERED)
    stream: str = Field(sa_column=Column(String(8), nullable=False))
    last: int = Field(sa_column=big())
    rows: int = Field(sa_column=big())
    hash: str = Field(sa_column=text())


class Optout(SQLModel, table=True):
    """The national data opt-out list in force. Apart from records; numbers only."""

    __tablename__ = "optout"
    __table_args__ = (PrimaryKeyConstraint("list", "number"), CLUSTERED)
    list: int = Field(sa_column=big())
    number: str = Field(sa_column=Column(String(10), nullable=False))


class OptoutList(SQLModel, table=True):
    """Each opt-out list loaded: when, how many, its hash. Never its members."""

    __tablename__ = "optout_list"
    key: int = Field(sa_column=serial())
    loaded: int = Field(sa_column=big())
    as_at: int = Field(sa_column=big())
    count: int = Field(sa_column=big())
    hash: str = Field(sa_column=text())


class Project(SQLModel, table=True):
    """An approved use of de-identified data, every version of it."""

    __tablename__ = "project"
    __table_args__ = (PrimaryKeyConstraint("name", "version"),)
    name: str = Field(sa_column=Column(String(128), nullable=False))
    version: int = Field(sa_column=Column(Integer, nullable=False))
    state: str = Field(sa_column=text())
    at: int = Field(sa_column=big())
    document: str = Field(sa_column=text())


class Job(SQLModel, table=True):
    """Long work: what was asked, what it is pinned to, and how it stands."""

    __tablename__ = "job"
    id: str = Field(sa_column=Column(String(64), primary_key=True))
    kind: str = Field(sa_column=text())
    owner: str = Field(sa_column=text())
    state: str = Field(sa_column=text())
    created: int = Field(sa_column=big())
    lease: int = Field(sa_column=big())
    pins: str = Field(sa_column=text())
    outcome: str = Field(sa_column=text())


class Part(SQLModel, table=True):
    """One independent, restartable part of a job."""

    __tablename__ = "part"
    __table_args__ = (PrimaryKeyConstraint("job", "number"), CLUSTERED)
    job: str = Field(sa_column=Column(String(64), nullable=False))
    number: int = Field(sa_column=Column(Integer, nullable=False))
    state: str = Field(sa_column=text())
    outcome: str = Field(sa_column=text())


class PartMember(SQLModel, table=True):
    """Who is in a part, by the place and name that a person has in this job: pinned when the job starts."""

    __tablename__ = "part_member"
    __table_args__ = (PrimaryKeyConstraint("job", "part", "person", "patient"), CLUSTERED)
    job: str = Field(sa_column=Column(String(64), nullable=False))
    part: int = Field(sa_column=Column(Integer, nullable=False))
    person: int = Field(sa_column=big())
    patient: int = Field(sa_column=big())
    name: str = Field(sa_column=text())


class Gathered(SQLModel, table=True):
    """Members of a job while its membership is gathered, before they have a part and a place. A bucket holds the
    persons of one range of the order in which they leave."""

    __tablename__ = "gathered"
    __table_args__ = (PrimaryKeyConstraint("job", "bucket", "person", "patient"), CLUSTERED)
    job: str = Field(sa_column=Column(String(64), nullable=False))
    bucket: int = Field(sa_column=Column(Integer, nullable=False))
    person: int = Field(sa_column=big())
    patient: int = Field(sa_column=big())
    name: str = Field(sa_column=text())


class Ledger(SQLModel, table=True):
    """Releases, append-only and hash-chained."""

    __tablename__ = "ledger"
    seq: int | None = Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    )
    at: int = Field(sa_column=big())
    entry: str = Field(sa_column=text())
    hash: str = Field(sa_column=text())

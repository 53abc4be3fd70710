"""The audit: durable before the answer, append-only, and a chain that shows any change."""

import asyncio
import threading
import time
import tracemalloc

import pysqlite3.dbapi2 as sqlite
import pytest

from gateway.errors import Unavailable
from gateway.store import append_file, chain, ledger
from gateway.store.audit import Audit
from gateway.store.changes import record_write
from gateway.store.database import open_store


@pytest.fixture
def audit(store):
    opened = Audit(store)
    yield opened
    opened.close()


def test_an_event_is_there_when_record_returns(audit):
    audit.record({"act": "read", "user": "u"})
    assert [event["act"] for event in audit.events()] == ["read"]


def test_many_at_once_are_all_kept(audit):
    threads = [
        threading.Thread(target=lambda n=n: [audit.record({"act": "read", "n": n}) for _ in range(20)])
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(audit.events())) == 160


def test_threads_and_the_event_loop_write_side_by_side_and_are_answered_once_theirs_is_there(audit):
    async def waited(number: int) -> bool:
        await audit.recorded({"act": "read", "n": number})
        return number in [event["n"] for event in audit.events()]

    async def all_at_once() -> list[bool]:
        return await asyncio.gather(*(waited(number) for number in range(40)))

    threads = [
        threading.Thread(target=lambda n=n: [audit.record({"act": "read", "n": n}) for _ in range(10)])
        for n in range(100, 104)
    ]
    for thread in threads:
        thread.start()
    assert all(asyncio.run(all_at_once()))
    for thread in threads:
        thread.join()
    found = [event["n"] for event in audit.events()]
    assert sorted(found) == [*range(40), *(number for number in range(100, 104) for _ in range(10))]


def test_who_gives_up_waiting_keeps_no_one_else_from_an_answer(audit):
    async def one_leaves() -> None:
        waits = [asyncio.create_task(audit.recorded({"act": "read"})) for _ in range(3)]
        await asyncio.sleep(0)
        waits[0].cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        assert [wait.exception() for wait in waits[1:]] == [None, None]

    asyncio.run(one_leaves())


def test_reads_and_writes_are_two_streams_with_two_chains(audit, store):
    audit.record({"act": "read"})
    with store.write() as session:
        record_write(session, {"act": "permit"})
    audit.seal()
    verdict = audit.verify()
    assert (verdict.rows, verdict.sealed, verdict.broken) == (2, 2, [])
    assert {event["stream"] for event in audit.events()} == {"read", "write"}


def test_the_newest_events_that_name_somebody_are_read_of_both_streams(audit, store):
    audit.record({"act": "read", "patients": ["a-1", "b"], "n": 1})
    audit.record({"act": "read", "patients": ["a-10"], "reason": "of a-1", "n": 2})
    audit.record({"act": "read", "user": "a-1", "n": 3})
    with store.write() as session:
        record_write(session, {"act": "permit", "number": "9990000018", "n": 4})
    audit.record({"act": "search", "patients": ["c", "a-1"], "n": 5})

    def named(*asked) -> list[int]:
        return [event["n"] for event in audit.naming(*asked)[0]]

    assert sorted(named(["a-1"], "9990000018", 0, 9)) == [1, 4, 5]
    assert named(["a-10"], "9990000026", 0, 9) == [2] and named([], "9990000026", 0, 9) == []
    assert named(["a-1"], "", 2**62, 9) == []
    events, is_cut, begins = audit.naming(["a-1"], "", 0, 1)
    assert [event["n"] for event in events] == [5] and is_cut and begins <= events[0]["at"]
    assert not audit.naming(["b"], "", 0, 9)[1]


def test_the_sealer_seals_behind_and_once_more_at_its_end(audit, store):
    with store.write() as session:
        record_write(session, {"act": "permit"})
    with audit.sealing(seconds=0.05):
        audit.record({"act": "read"})
        until = time.monotonic() + 10
        while audit.verify().sealed < 2 and time.monotonic() < until:
            time.sleep(0.02)
        assert audit.verify().sealed == 2
        audit.record({"act": "read"})
    verdict = audit.verify()
    assert (verdict.rows, verdict.sealed, verdict.broken) == (3, 3, [])


def test_sealing_what_is_sealed_changes_nothing(audit, store):
    audit.record({"act": "read"})
    audit.seal()
    with store.read() as session:
        before = session.stamp()
    audit.seal()
    with store.read() as session:
        assert session.stamp() == before


def test_a_row_whose_number_was_taken_before_a_seal_and_committed_after_it_breaks_no_chain(postgres_url):
    store = open_store(postgres_url, create="sandbox")
    audit = Audit(store)
    with store.engine.connect() as slow:
        with slow.begin():
            slow.exec_driver_sql("INSERT INTO audit (at, stream, event) VALUES (1, 'read', '{}')")
            audit.record({"act": "read"})
            sealer = threading.Thread(target=audit.seal)
            sealer.start()
            sealer.join(timeout=0.5)
        sealer.join()
    verdict = audit.verify()
    assert (verdict.rows, verdict.sealed, verdict.broken) == (2, 2, [])
    store.close()


def test_events_are_written_while_a_chain_is_computed_and_two_sealers_make_one_chain(audit, store, monkeypatch):
    for number in range(7):
        audit.record({"act": "read", "n": number})
    compute, others = chain.link, []

    def slow(before: str, rows, **key) -> chain.Seal:
        if not others:
            others.append(
                threading.Thread(target=lambda: (audit.record({"act": "read", "n": 99}), Audit(store).seal()))
            )
            others[0].start()
            others[0].join(timeout=20)
            assert not others[0].is_alive(), "neither a reader nor another sealer waits for this one"
        return compute(before, rows, **key)

    monkeypatch.setattr(chain, "link", slow)
    audit.seal()
    monkeypatch.undo()
    audit.seal()
    verdict = audit.verify()
    assert (verdict.rows, verdict.sealed, verdict.broken) == (8, 8, [])


def test_a_changed_event_breaks_the_chain(audit, store):
    for number in range(5):
        audit.record({"act": "read", "n": number})
    audit.seal()
    if store.postgres:
        with store.write() as session:
            allow_changes(session, "audit")
            session.run("UPDATE audit SET event = '{}' WHERE seq = (SELECT min(seq) FROM audit)")
    else:
        connection = sqlite.connect(str(store.path.with_name("audit.db")), isolation_level=None)
        with pytest.raises(sqlite.IntegrityError):
            connection.execute("UPDATE audit SET event = '{}'")
        connection.execute("DROP TRIGGER audit_is_append_only")
        connection.execute("UPDATE audit SET event = '{}' WHERE seq = 1")
        connection.close()
    assert audit.verify().broken


def test_an_audit_that_cannot_be_written_is_an_error(audit):
    for wrong in (lambda: audit.record({"act": object()}), lambda: asyncio.run(audit.recorded({"act": object()}))):
        with pytest.raises(Unavailable):
            wrong()


def test_everyone_who_waited_hears_of_a_fault_and_the_next_is_written(tmp_path, monkeypatch):
    store = open_store(f"sqlite:///{tmp_path / 'gateway.db'}", create="sandbox")
    audit = Audit(store)

    async def together() -> list:
        return await asyncio.gather(*(audit.recorded({"act": "read"}) for _ in range(5)), return_exceptions=True)

    with monkeypatch.context() as broken:
        broken.setattr(append_file.AppendFile, "_write", lambda *_: 1 / 0)
        assert [type(each) for each in asyncio.run(together())] == [Unavailable] * 5
        with pytest.raises(Unavailable):
            audit.record({"act": "read"})
    assert list(audit.events()) == []
    assert asyncio.run(together()) == [None] * 5
    assert len(list(audit.events())) == 5
    audit.close()
    store.close()


@pytest.mark.parametrize("damage", [
    "DELETE FROM audit WHERE seq = (SELECT min(seq) + 2 FROM audit)",
    "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)",
    "UPDATE audit SET at = at + 1 WHERE seq = (SELECT min(seq) + 1 FROM audit)",
    "UPDATE audit SET event = (SELECT o.event FROM audit o WHERE o.seq = (SELECT max(seq) FROM audit)) WHERE seq = "
    "(SELECT min(seq) FROM audit)",
    "INSERT INTO audit (seq, at, event{more}) SELECT min(seq) - 1, min(at), min(event){stream} FROM audit",
    "UPDATE seal SET hash = 'x'",
    "UPDATE seal SET rows = rows - 1",
    "UPDATE seal SET last = last - 1",
], ids=["deleted", "cut short", "time", "reordered", "inserted", "seal", "seal's count", "seal's end"])  # fmt: skip
def test_whatever_is_done_to_sealed_events_is_found(audit, store, damage):
    for number in range(6):
        audit.record({"act": "read", "n": number})
    audit.seal()
    assert not audit.verify().broken
    if store.postgres:
        with store.write() as session:
            allow_changes(session, "audit", "seal")
            session.run(damage.format(more=", stream", stream=", min(stream)"))
    else:
        connection = sqlite.connect(str(store.path.with_name("audit.db")), isolation_level=None)
        connection.execute("DROP TRIGGER audit_is_append_only")
        connection.execute("DROP TRIGGER audit_is_kept")
        connection.execute(damage.format(more="", stream=""))
        connection.close()
    assert audit.verify().broken


def allow_changes(session, *tables: str) -> None:
    """What only the owner of a database can do."""
    for table in tables:
        names = ("append_only",) if session.postgres else ("append_only", "kept")
        for name in names:
            session.run(f"DROP TRIGGER {table}_is_{name}" + (f" ON {table}" if session.postgres else ""))


@pytest.mark.parametrize("table", ["audit", "seal", "ledger"])
@pytest.mark.parametrize("change", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}"])
def test_the_database_refuses_to_change_what_says_who_did_what(audit, store, table, change):
    with store.write() as session:
        record_write(session, {"act": "permit"})
        ledger.append(session, {"release": 1})
    audit.seal()
    with pytest.raises(Exception, match="append only"), store.write() as session:
        session.run(change.format(table, "hash" if table != "audit" else "event"))
    with store.write() as session:
        allow_changes(session, table)
        assert session.run(change.format(table, "hash" if table != "audit" else "event")) > 0


@pytest.fixture
def file_audit(tmp_path):
    """The audit of reads where it is a file of its own."""
    store = open_store(f"sqlite:///{tmp_path / 'gateway.db'}", create="sandbox")
    opened = Audit(store)
    yield opened
    opened.close()
    store.close()


def test_after_a_write_that_failed_the_next_is_written(file_audit, tmp_path):
    file_audit.record({"act": "read"})
    connection = sqlite.connect(str(tmp_path / "audit.db"), isolation_level=None)
    connection.execute("ALTER TABLE audit RENAME TO elsewhere")
    with pytest.raises(Unavailable):
        file_audit.record({"act": "read"})
    connection.execute("ALTER TABLE elsewhere RENAME TO audit")
    connection.close()
    file_audit.record({"act": "read"})
    assert len(list(file_audit.events())) == 2


def test_nobody_else_reads_the_files_of_a_store(file_audit, tmp_path):
    file_audit.record({"act": "read"})
    files = [file for file in tmp_path.iterdir() if file.suffix.startswith(".db")]
    assert len(files) > 3 and not [file.name for file in files if file.stat().st_mode & 0o077]


def test_a_probe_leaves_nothing(audit, store):
    with store.read() as session:
        before = session.stamp()
    audit.probe()
    assert list(audit.events()) == []
    with store.read() as session:
        assert session.stamp() == before


def test_an_audit_is_listed_and_verified_a_few_events_at_a_time(store):
    """Either takes the memory of some thousands of events, however many there are."""
    audit = Audit(store)
    event = f'{{"act":"load","text":"{"x" * 400}"}}'
    with store.write() as session:
        session.many(
            "INSERT INTO audit (at, stream, event) VALUES (?, 'write', ?)", [(n, event) for n in range(30_000)]
        )
    audit.seal()
    tracemalloc.start()
    try:
        assert audit.verify().broken == [] and sum(1 for _ in audit.events("write")) == 30_000
        assert tracemalloc.get_traced_memory()[1] < 6 << 20, "all of them take more than 15 MiB"
    finally:
        tracemalloc.stop()
        audit.close()

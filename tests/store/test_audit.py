"""The audit: durable before the answer, append-only, and a chain that shows any change."""

import threading
import time

import pysqlite3.dbapi2 as sqlite
import pytest

from gateway.errors import Unavailable
from gateway.store.audit import Audit, record_write
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
    threads = [threading.Thread(target=lambda n=n: [audit.record({"act": "read", "n": n}) for _ in range(20)]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(audit.events())) == 160


def test_reads_and_writes_are_two_streams_with_two_chains(audit, store):
    audit.record({"act": "read"})
    with store.write() as session:
        record_write(session, {"act": "permit"})
    audit.seal()
    verdict = audit.verify()
    assert (verdict.rows, verdict.sealed, verdict.broken) == (2, 2, [])
    assert {event["stream"] for event in audit.events()} == {"read", "write"}


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


def test_a_changed_event_breaks_the_chain(audit, store):
    for number in range(5):
        audit.record({"act": "read", "n": number})
    audit.seal()
    if store.postgres:
        with store.write() as session:
            session.run("UPDATE audit SET event = '{}' WHERE seq = (SELECT min(seq) FROM audit)")
    else:
        connection = sqlite.connect(str(store.path.with_name("audit.db")), isolation_level=None)
        with pytest.raises(sqlite.IntegrityError):
            connection.execute("UPDATE audit SET event = '{}'")
        connection.execute("DROP TRIGGER audit_is_append_only")
        connection.execute("UPDATE audit SET event = '{}' WHERE seq = 1")
        connection.close()
    assert audit.verify().broken


def test_an_audit_that_cannot_be_written_is_an_error(audit, store, monkeypatch):
    with pytest.raises(Unavailable):
        audit.record({"act": object()})

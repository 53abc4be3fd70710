"""What cannot be read is kept as it was sent, told by its place, and read again after a fix; warnings are counted."""

import json

import pytest

from gateway.commands import main
from gateway.errors import NotFound
from gateway.intake import load
from gateway.store import rejected
from gateway.store.sent import Rejected
from mappings import Feed, sources
from tests.intake.test_cut_off import cut_off_at
from tests.mappings.harness_hl7v2 import PID, adt, oru

SOURCE = sources()["hl7v2"]
POTASSIUM = "OBX|1|NM|K^Potassium^L||7.9|mmol/L||HH|||F"
UNKNOWN = adt("A28", "20250101", PID.replace("Ann", "Zoë")).replace("|T|2.4", "|T|2.4||||||UNICODE").encode("cp1252")
FOLDER = {
    "9990001006 marsh.hl7": UNKNOWN,
    "good.hl7": oru("20250601", POTASSIUM + "|||202506012400").encode(),
    "none.hl7": oru("20250602", POTASSIUM, pid="PID|1||||Nobody^Named", order="|F2^LAB").encode(),
}


@pytest.fixture
def folder(tmp_path):
    where = tmp_path / "sent"
    where.mkdir()
    for name, content in FOLDER.items():
        (where / name).write_bytes(content)
    return where


def send(store, folder, code_sets, **feed):
    return load.load(store, SOURCE, folder, Feed(**feed), code_sets, workers=0)


def waiting(store) -> list[rejected.Kept]:
    with store.read() as session:
        return rejected.waiting(session)


@pytest.mark.hazard("HZ-LOAD-71")
def test_a_reject_is_kept_with_its_file_and_bytes_and_told_without_a_value(store, folder, code_sets):
    report = send(store, folder, code_sets)
    assert report.exit_code == 1 and report.as_dict()["rejectsKept"] == 2 and report.as_dict()["rejectsNotKept"] == 0
    first, second = waiting(store)
    assert (first.name, first.place) == ("9990001006 marsh.hl7", "hl7v2 file 1 message 1")
    assert (second.name, second.reason) == (
        "none.hl7",
        "PID-3 has no local patient number (an NHS number is never a key)",
    )
    with store.read() as session:
        assert rejected.one(session, first.key).payload == UNKNOWN
    assert not any(value in json.dumps(report.as_dict()) for value in ("9990001006", "Zo", "7.9", "Nobody"))


@pytest.mark.hazard("HZ-LOAD-71")
def test_a_reject_is_replayed_after_a_fix_and_then_kept_no_longer(store, folder, code_sets):
    send(store, folder, code_sets)
    assert load.replay_rejects(store, SOURCE, Feed(), code_sets).rows["read"] == 0 and len(waiting(store)) == 2
    report = load.replay_rejects(store, SOURCE, Feed(settings={"charset": "WINDOWS-1252"}), code_sets)
    assert report.rows["new"] == 1 and report.exit_code == 1 and [kept.name for kept in waiting(store)] == ["none.hl7"]
    with store.read() as session:
        assert session.value("SELECT count(*) FROM word WHERE word = ?", "marsh") >= 1
    again = load.replay_rejects(store, SOURCE, Feed(settings={"identifier_fields": [5]}), code_sets)
    assert not again.rejects, again.places
    assert again.exit_code == 0 and not waiting(store)


def test_a_replay_reads_only_what_its_own_feed_sent(store, folder, code_sets):
    send(store, folder, code_sets, name="lab")
    assert {kept.feed for kept in waiting(store)} == {"lab"}
    report = load.replay_rejects(store, SOURCE, Feed(settings={"charset": "WINDOWS-1252"}), code_sets)
    assert not report.rejects and len(waiting(store)) == 2


def test_the_same_thing_sent_again_is_kept_once(store, folder, code_sets):
    for _ in range(2):
        assert send(store, folder, code_sets).kept["kept"] == 2
    assert len(waiting(store)) == 2


@pytest.mark.parametrize("number", range(1, 12))
def test_a_replay_cut_off_anywhere_and_run_again_loses_nothing(new_store, folder, code_sets, monkeypatch, number):
    mended = Feed(settings={"charset": "WINDOWS-1252"})
    store, whole = new_store("cut"), new_store("whole")
    for one in (store, whole):
        send(one, folder, code_sets)
    load.replay_rejects(whole, SOURCE, mended, code_sets)
    with cut_off_at(monkeypatch, number, after=True):
        load.replay_rejects(store, SOURCE, mended, code_sets)
    load.replay_rejects(store, SOURCE, mended, code_sets)
    assert [kept.name for kept in waiting(store)] == [kept.name for kept in waiting(whole)] == ["none.hl7"]
    for table in ("kept", "head", "version"):
        with store.read() as cut, whole.read() as uncut:
            count = f"SELECT count(*) FROM {table}"
            assert cut.value(count) == uncut.value(count), table


@pytest.mark.hazard("HZ-LOAD-71")
def test_what_was_sent_is_printed_only_when_asked_for_and_that_is_audited(tmp_path, folder, monkeypatch, capfdbinary):
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GATEWAY_SANDBOX", "1")
    main(["init", "sandbox"])
    assert main(["load", "hl7v2", str(folder)]) == 1
    capfdbinary.readouterr()
    assert main(["rejects", "show", "1"]) == 0 and main(["rejects", "list"]) == 1
    shown = capfdbinary.readouterr().out
    assert shown.count(b"MSH-18") == 2 and b"9990001006" not in shown and b"Zo" not in shown
    assert main(["rejects", "show", "1", "--payload", "--as", "lab-lead"]) == 0
    assert capfdbinary.readouterr().out == UNKNOWN
    assert main(["audit", "show", "--limit", "1"]) == 0
    event = json.loads(capfdbinary.readouterr().out)
    assert (event["act"], event["by"], event["reject"]) == ("reject.show", "lab-lead", 1)


def test_what_finds_no_room_is_told_and_what_is_kept_stays(store, monkeypatch):
    monkeypatch.setattr(rejected, "MOST", 3)
    monkeypatch.setattr(rejected, "MOST_BYTES", 10)

    def keep(*payloads: bytes) -> dict[str, int]:
        with store.write() as session:
            sent = [Rejected("message 1", "why", "a.hl7", payload) for payload in payloads]
            return dict(rejected.keep(session, "hl7v2", "default", 1, sent))

    assert keep(b"aaaa", b"bbbb") == {"kept": 2, "not kept": 0}
    assert keep(b"cccc") == {"kept": 0, "not kept": 1}, "more bytes than there is room for"
    assert keep(b"d", b"e", b"aaaa") == {"kept": 2, "not kept": 1}, "more rejects than there is room for"
    assert keep(b"") == {"without bytes": 1} and [kept.size for kept in waiting(store)] == [4, 4, 1]


def test_rejects_are_dropped_and_purged(store):
    with store.write() as session:
        rejected.keep(session, "hl7v2", "default", 1, [Rejected("m", "why", "a", bytes([n])) for n in range(3)])
        first = rejected.waiting(session)[0]
        assert rejected.drop(session, [first.key]) == 1 and rejected.purge(session, 1) == 0
        session.run("UPDATE rejected SET at = at - ? WHERE key = ?", 2 * rejected.DAY, first.key + 1)
        assert rejected.purge(session, 1) == 1
        with pytest.raises(NotFound):
            rejected.one(session, first.key)


@pytest.mark.hazard("HZ-LOAD-72")
def test_what_was_lost_of_a_message_that_is_taken_is_counted_by_field_and_the_result_is_shown(store, folder, code_sets):
    report = send(store, folder, code_sets)
    assert report.as_dict()["warnings"] == {"OBX-14: not a time, left out": 1}
    assert report.resources["Observation", "created"] == 1


def test_a_merge_counts_as_one_row(store, tmp_path, code_sets):
    (tmp_path / "a40.hl7").write_text(adt("A40", "20250601", "MRG|H2^^^RXX^MR"))
    report = send(store, tmp_path / "a40.hl7", code_sets)
    assert report.rows["read"] == report.rows["new"] == 1
    with store.read() as session:
        assert session.value("SELECT count(*) FROM kept") == 2

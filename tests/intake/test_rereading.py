"""Kept messages are read again: by ``remap`` with today's settings of their feed, and when they are sent again."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from gateway.errors import Refused
from gateway.fhir import build
from gateway.intake import load
from gateway.intake.flow import Flow
from gateway.intake.mapping import resource_id
from gateway.intake.producers import AtHand
from mappings import Feed, sources
from mappings.readers.files import File
from tests.intake.conftest import state
from tests.mappings.harness_cld import service, snapshot
from tests.mappings.harness_hl7v2 import adt, oru, visit

SOURCE = sources()["hl7v2"]
BARE = "PID|1||H1||Marsh^Ann||19700203|2"
POTASSIUM = "OBX|1|NM|K^Potassium^L||7.9|mmol/L||HH|||F"
NHS_ONLY = "PID|1||9990001006^^^NHS||Marsh^Ann||19700203|2"
SENT = [
    adt("A01", "20250601080000", BARE, visit(), "DG1|1||J18^Pneumonia^I10", "AL1|1||PEN^Penicillin"),
    oru("20250601090000", POTASSIUM, pid=BARE),
    adt("A28", "20250601070000", BARE.replace("H1", "H9")),
    adt("A40", "20250601100000", BARE, "MRG|H9"),
    oru("20250601110000", POTASSIUM, pid=BARE.replace("H1", "H9"), order="|F2^LAB"),
    oru("20250601110000", POTASSIUM, pid=NHS_ONLY, order="|"),
]
SETTINGS = [
    {"authority": "RXX"},
    {"authority_aliases": {"": "OLD"}},
    {"identifier_fields": [18]},
    {"authorities": ["RXX"]},
]


def send(store, folder, texts: list[str], code_sets, name="default", **settings):
    folder.mkdir(exist_ok=True)
    (folder / "sent.hl7").write_bytes("\r".join(texts).encode())
    return load.load(store, SOURCE, folder, Feed(name=name, settings=settings), code_sets, workers=0)


def resources(store) -> list[dict]:
    with store.read() as session:
        sql = "SELECT v.body FROM head h JOIN version v ON v.key = h.body WHERE h.deleted = 0"
        return [build.decode(bytes(body)) for (body,) in session.rows(sql)]


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield node["reference"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def dangling(store) -> list[str]:
    held = resources(store)
    names = {f"{each['resourceType']}/{each['id']}" for each in held}
    return [reference for each in held for reference in references(each) if reference not in names]


def without_hashes(store) -> dict:
    return {name: rows for name, rows in state(store).items() if name in ("resources", "persons", "quarantine")}


@pytest.mark.hazard("HZ-HL7V2-44")
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda each: next(iter(each)))
def test_remap_keys_what_is_kept_anew_and_every_reference_resolves(store, tmp_path, code_sets, settings):
    texts = [text.replace("|19700203|2", "|19700203|2||||||||||H5^^^RXX^MR") for text in SENT]
    send(store, tmp_path / "sent", texts, code_sets)
    assert not dangling(store)
    late = adt("A03", "20250602080000", texts[0].split("\r")[2], visit(ended="20250602080000"))
    send(store, tmp_path / "late", [late], code_sets, **settings)
    assert not dangling(store)
    feed = Feed(settings=settings)
    report = load.remap(store, SOURCE, feed, code_sets, workers=0)
    assert report.exit_code == 0 and not dangling(store)
    again = without_hashes(store)
    assert not load.remap(store, SOURCE, feed, code_sets, workers=0).rows
    assert (
        without_hashes(store) == again
        and not send(store, tmp_path / "sent", texts, code_sets, **settings).rows["changed"]
    )
    patients = [each for each in resources(store) if each["resourceType"] == "Patient" and each["active"]]
    encounter = next(each for each in resources(store) if each["resourceType"] == "Encounter")
    assert encounter["status"] == "finished"
    assert encounter["subject"]["reference"] in [f"Patient/{each['id']}" for each in patients]
    load.remap(store, SOURCE, Feed(), code_sets, workers=0)
    assert not dangling(store)


@pytest.mark.hazard("HZ-HL7V2-44")
def test_remap_ends_where_a_load_with_its_settings_would(store, tmp_path, code_sets):
    settings = SETTINGS[0]
    send(store, tmp_path / "sent", SENT, code_sets)
    load.remap(store, SOURCE, Feed(settings=settings), code_sets, workers=0)
    ids = {each["id"] for each in resources(store)}
    assert send(store, tmp_path / "sent", SENT, code_sets, **settings).rows["changed"] == 0
    assert {each["id"] for each in resources(store)} == ids


@pytest.mark.hazard("HZ-HL7V2-44")
def test_remap_leaves_what_came_by_another_feed(store, tmp_path, code_sets):
    send(store, tmp_path / "sent", SENT, code_sets, name="other")
    before = without_hashes(store)
    report = load.remap(store, SOURCE, Feed(settings=SETTINGS[0]), code_sets, workers=0)
    assert not report.rows and without_hashes(store)["persons"] == before["persons"]


@pytest.mark.hazard("HZ-HL7V2-44")
def test_a_message_that_today_s_settings_refuse_stays_and_is_told(store, tmp_path, code_sets):
    second = adt("A28", "20250601070000", "PID|1||||Stone^Ed||19500101|1||||||||||H7^^^RXX^MR")
    send(store, tmp_path / "sent", [second], code_sets, identifier_fields=[18])
    report = load.remap(store, SOURCE, Feed(), code_sets, workers=0)
    assert report.exit_code == 1 and "H7" not in json.dumps(report.as_dict())
    assert [each["resourceType"] for each in resources(store)] == ["Patient"]


@pytest.mark.hazard("HZ-LOAD-73")
def test_a_message_that_is_read_in_another_character_set_is_read_anew(store, tmp_path, code_sets):
    folder = tmp_path / "sent"
    folder.mkdir()
    (folder / "sent.hl7").write_bytes(adt("A28", "20250601070000", BARE.replace("Ann", "Zo\u00eb")).encode())

    def sent_by(**settings) -> tuple[dict, str]:
        feed = Feed(settings=settings)
        report = load.load(store, SOURCE, folder, feed, code_sets, workers=0)
        [patient] = resources(store)
        return dict(report.rows), patient["name"][0]["given"][0]

    assert sent_by(charset="8859/1")[1] == "Zo\u00c3\u00ab"
    rows, name = sent_by(charset="UTF-8")
    assert (rows["changed"], name) == (1, "Zo\u00eb")
    rows, name = sent_by(charset="UTF-8")
    assert (rows["unchanged"], name) == (1, "Zo\u00eb")


@pytest.mark.hazard("HZ-LOAD-73")
@pytest.mark.parametrize("settings", [{"authority": "RXX"}, {"authority": "AAA"}])
def test_a_message_sent_again_under_other_settings_is_read_anew(store, tmp_path, code_sets, settings):
    for reading in ({}, settings, {}):
        send(store, tmp_path / "sent", SENT[:1], code_sets, **reading)
        [patient] = [each for each in resources(store) if each["resourceType"] == "Patient"]
        named = patient["identifier"][0]["system"]
        assert named.endswith(settings["authority"] if reading else "Patient")
        assert not dangling(store)
    rows = send(store, tmp_path / "sent", ["MSH|^~\\&|X|RXX|||20250101||ADT^A28|1|T|2.4", *SENT[:1]], code_sets).rows
    assert rows["unchanged"] == 1 and not rows["changed"], "where it stands in a file plays no part"


@pytest.mark.hazard("HZ-HL7V2-45")
def test_a_key_holds_no_number_that_somebody_without_the_store_could_look_for(store, tmp_path, code_sets):
    send(store, tmp_path / "sent", SENT, code_sets)
    with store.read() as session:
        bodies = [bytes(body) for (body,) in session.rows("SELECT body FROM kept")]
    [kept] = [json.loads(body) for body in bodies if b'"nhs:|' in body]
    keys = [next(SOURCE.read(_file(NHS_ONLY), Feed(namespace=name))).patient for name in (b"", b"another store")]
    assert kept[2].startswith("nhs:|") and not any(key[5:] in "".join(map(bytes.decode, bodies)) for key in keys)
    assert next(SOURCE.read(_file(NHS_ONLY), Feed(namespace=store.namespace.bytes))).patient == kept[2]


def _file(pid: str):
    return File(Path("sent.hl7"), content=oru("20250601110000", POTASSIUM, pid=pid, order="|").encode())


@pytest.mark.hazard("HZ-HL7V2-44")
def test_nothing_is_added_to_what_an_earlier_version_kept_before_it_is_read_again(store, tmp_path, code_sets):
    def read(file, feed):
        for item in SOURCE.read(file, replace(feed, namespace=b"")):
            values = type(item.values)({name: text for name, text in item.values.items() if name != "feed"})
            yield structs.replace(item, values=values)

    earlier = replace(SOURCE, version="2", read=read)
    (tmp_path / "sent.hl7").write_bytes("\r".join(SENT).encode())
    load.load(store, earlier, tmp_path / "sent.hl7", Feed(), code_sets, workers=0)
    before = {each["id"] for each in resources(store)}
    later = oru("20250601110500", POTASSIUM.replace("7.9", "4.1"), pid=NHS_ONLY, order="|F3^LAB")
    for act in (
        lambda: send(store, tmp_path / "later", [later], code_sets),
        lambda: load.replay(store, SOURCE, Feed(), code_sets),
        lambda: load.replay_rejects(store, SOURCE, Feed(), code_sets),
        lambda: Flow(store, SOURCE, Feed(), code_sets, "listen").take(AtHand(())),
    ):
        with pytest.raises(Refused, match="gateway remap hl7v2 --feed default"):
            act()
    load.remap(store, SOURCE, Feed(), code_sets, workers=0)
    with pytest.raises(Refused, match="--feed other"):
        send(store, tmp_path / "later", [later], code_sets, name="other")
    send(store, tmp_path / "later", [later], code_sets)
    held = resources(store)
    assert not dangling(store) and before - {each["id"] for each in held}
    [number] = [
        each
        for each in held
        if each["resourceType"] == "Patient" and any(item["value"] == "9990001006" for item in each["identifier"])
    ]
    named = [each["subject"]["reference"] for each in held if each["resourceType"] == "Observation"]
    assert named.count(f"Patient/{number['id']}") == 2


@pytest.mark.hazard("HZ-HL7V2-44")
def test_a_remap_that_was_cut_off_does_not_count(store, tmp_path, code_sets, monkeypatch):
    send(store, tmp_path / "sent", SENT, code_sets)
    current = replace(SOURCE, version="next")
    with monkeypatch.context() as patch:
        patch.setattr(load, "reread", lambda *words: 1 / 0)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                load.remap(store, current, Feed(), code_sets, workers=0)
    with pytest.raises(Refused, match="remap hl7v2"):
        load.load(store, current, tmp_path / "sent", Feed(), code_sets, workers=0)
    load.remap(store, current, Feed(), code_sets, workers=0)
    assert load.load(store, current, tmp_path / "sent", Feed(), code_sets, workers=0).state == "done"


@pytest.mark.hazard("HZ-HL7V2-44")
def test_what_does_not_say_its_feed_is_taken_by_the_only_feed_there_is(store, tmp_path, code_sets):
    def read(file, feed):
        for item in SOURCE.read(file, feed):
            values = type(item.values)({name: text for name, text in item.values.items() if name != "feed"})
            yield structs.replace(item, values=values)

    (tmp_path / "sent.hl7").write_bytes("\r".join(SENT).encode())
    load.load(store, replace(SOURCE, read=read), tmp_path / "sent.hl7", Feed(), code_sets, workers=0)
    royal = Feed(name="royal", settings={"authority": "RXX"})
    untouched = load.remap(store, SOURCE, royal, code_sets, claims=False, workers=0)
    assert not untouched.rows and untouched.warnings["feed: not known of what an earlier version kept, load once by it"]
    assert load.remap(store, SOURCE, royal, code_sets, workers=0).rows and not dangling(store)


@pytest.mark.hazard("HZ-HL7V2-48")
def test_a_death_that_an_earlier_version_believed_is_taken_back_by_a_remap(store, tmp_path, code_sets, monkeypatch):
    dead = adt("A31", "20250610090000", BARE + "|" * 21 + "20990101")
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "sent.hl7").write_bytes(dead.encode())
    with monkeypatch.context() as earlier:
        for module in ("reader", "orders"):
            earlier.setattr(f"mappings.hl7v2.{module}.doubt", lambda message: [])
        load.load(store, replace(SOURCE, version="3"), tmp_path / "first", Feed(), code_sets, workers=0)
    assert [each.get("deceasedDateTime") for each in resources(store)] == ["2099-01-01"]
    load.remap(store, SOURCE, Feed(), code_sets, workers=0)
    other = adt("A28", "20250611090000", BARE.replace("H1", "H9"))
    send(store, tmp_path / "next", [other], code_sets)
    assert len(resources(store)) == 2 and not any("deceasedDateTime" in each for each in resources(store))
    report = send(store, tmp_path / "again", [dead.replace("0610", "0612")], code_sets)
    assert report.as_dict()["warnings"]["PID-29: a date that cannot be"] == 1 and "2099" not in str(report.as_dict())


@pytest.mark.hazard("HZ-CLD-16")
def test_an_event_that_an_earlier_version_kept_is_the_one_that_is_filled_in_later(store, tmp_path, code_sets):
    current = sources()["cld"]

    def read(file, feed):
        for item in current.read(file, feed):
            if item.table == "Event":
                item = structs.replace(item, groups=(f"{item.groups[0]}|{item.values['Client Type']}",))
            yield item

    snapshot(tmp_path / "first", 1, service(Client_Type=""))
    snapshot(tmp_path / "second", 2, service(LA_Code="504"))
    snapshot(tmp_path / "third", 2, service())
    load.load(store, replace(current, version="2", read=read), tmp_path / "first", Feed(), code_sets, workers=0)
    key = "503|P1|Service|2025-03-01|Long term support: Community/Home support or domiciliary care|"
    as_before = resource_id(store.namespace.bytes, "cld", "503", "EpisodeOfCare", key)
    with pytest.raises(Refused, match="gateway remap cld$"):
        load.load(store, current, tmp_path / "second", Feed(), code_sets, workers=0)
    load.remap(store, current, Feed(name="any"), code_sets, workers=0)
    for later, count in (("second", 2), ("third", 2)):
        load.load(store, current, tmp_path / later, Feed(), code_sets, workers=0)
        held = {each["id"]: each["status"] for each in resources(store) if each["resourceType"] == "EpisodeOfCare"}
        assert len(held) == count and held[as_before] == "active"

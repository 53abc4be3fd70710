"""FHIR as contributors send it: what is taken, what becomes of references, flags and deletions, and that no order of
arrival matters."""

import itertools
import json
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.errors import Refused
from gateway.fhir import model
from gateway.fhir.build import decode, encode
from gateway.intake import load
from gateway.store import resources
from gateway.terminology import sets
from mappings import Feed, Reject
from mappings.fhir import SOURCE
from mappings.fhir.mapped import flags
from mappings.readers.files import File
from tests.mappings.harness import map_all, written

FEED = Feed("ward", settings={"publisher": "RYJ", "base": "https://ward.example/fhir/"})
SAMPLES = Path(__file__).parents[2] / "mappings" / "fhir" / "samples"
R = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def patient(key="p1", **elements) -> dict:
    return {"resourceType": "Patient", "id": key, "name": [{"family": "Sample"}], **elements}


def weight(key="w1", at="2026-01-02T03:04:05Z", **elements) -> dict:
    return {
        "resourceType": "Observation",
        "id": key,
        "meta": {"lastUpdated": at},
        "status": "final",
        "code": {"text": "weight"},
        "subject": {"reference": "Patient/p1"},
        "valueString": "61 kg",
        **elements,
    }


def bundle(*resources: dict, **elements) -> dict:
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": item} for item in resources],
    } | elements


def read(sent: object, name: str = "a.json", feed: Feed = FEED) -> list:
    content = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    return list(SOURCE.read(File(Path(name), content=content, encodings=("utf-8",)), feed))


def stored(folder: Path, *sent: object, feed: Feed = FEED) -> dict[str, dict]:
    """Write each as a file; return what they come to without a fault, by type."""
    mapped = write(folder, *sent, feed=feed)
    assert not mapped.faults and not mapped.rejects
    return {resource["resourceType"]: resource for resource in mapped.resources()}


def write(folder: Path, *sent: object, feed: Feed = FEED):
    folder.mkdir(exist_ok=True)
    for number, item in enumerate(sent):
        (folder / f"{number}.json").write_text(json.dumps(item), encoding="utf-8")
    return map_all(SOURCE, folder, feed)


def shown(store) -> list[str]:
    """The status of each Observation that the store shows."""
    with store.read() as session:
        ids = [id_ for (id_,) in session.rows("SELECT id FROM head WHERE deleted = 0 ORDER BY id")]
        held = [observation for id_ in ids if (observation := resources.head_of(session, "Observation", id_))]
    return [decode(observation.body)["status"] for observation in held]


def test_a_sample_becomes_its_golden_file(golden):
    mapped = map_all(SOURCE, SAMPLES / "ward.json", FEED)
    assert not mapped.faults and not mapped.rejects
    golden(SAMPLES / "ward.json.fhir.json", written(mapped.resources()))


@pytest.mark.parametrize(
    "settings", [{}, {"publisher": ""}, {"publisher": 7}, {"publisher": "the ward"}, {"publisher": "RYJ", "base": 7}]
)
def test_a_feed_must_say_who_contributes(settings, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(patient()))
    with pytest.raises(Refused, match="GATEWAY_FEEDS: ward: (publisher|base)"):
        for file in SOURCE.check(tmp_path, Feed("ward", settings=settings)):
            list(SOURCE.read(file, Feed("ward", settings=settings)))


def test_a_delivery_without_fhir_is_refused(tmp_path):
    with pytest.raises(Refused, match="no .json or .ndjson file"):
        SOURCE.check(tmp_path, FEED)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"{", "line 1: not JSON"),
        (b'{"resourceType":"Patient","a":6e66666666666666666666}', "line 1: not JSON"),
        (b"[]", "line 1: not a JSON object"),
        (b'{"resourceType": "Patient", "id": "p1", "id": "p2"}', "line 1: a name that stands twice in one object"),
        ({"resourceType": "Person9", "id": "p"}, "line 1: resourceType"),
        ({"resourceType": ["Patient"], "id": "p"}, "line 1: resourceType"),
        (patient(""), "line 1: id"),
        (patient("a b"), "line 1: id"),
        (patient("9990000018"), "line 1: id: an NHS number is no id"),
        (weight(subject={"reference": "Group/1"}), "line 1: Observation.subject: not a patient of this contributor"),
        (weight(subject={"reference": "https://b.example/Patient/p1"}), "line 1: Observation.subject: not a patient of this contributor"),
        (weight(subject={"display": "Ines"}), "line 1: Observation.subject: not a patient of this contributor"),
        (weight(subject="Patient/p1"), "line 1: Observation.subject: not a patient of this contributor"),
        (weight(at="yesterday"), "line 1: meta.lastUpdated"),
        ({"resourceType": "Bundle", "entry": 7}, "line 1: a Bundle that cannot be read"),
        (bundle(bundle(bundle(patient()))), "line 1: a Bundle that cannot be read"),
        ({"resourceType": "Bundle", "entry": [{"request": {"method": "DELETE", "url": "Patient/p1"}}]}, "line 1: Bundle.timestamp: a deletion needs a time"),
        ({"resourceType": "Bundle", "timestamp": "2026-01-01T00:00:00Z", "entry": [{"request": {"method": "DELETE", "url": "Patient?name=x"}}]}, "line 1: request.url: not the type and id of a resource"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_rejected_by_its_place_and_can_be_replayed(sent, reason):
    rejects = [item for item in read(sent) if isinstance(item, Reject)]
    assert [f"{item.place}: {item.reason}" for item in rejects] == [reason]
    assert not any("Sample" in item.reason or "999" in item.reason for item in rejects)


def test_one_bad_entry_costs_no_other_and_is_named_by_its_line():
    entries = [json.dumps({"resource": {"resourceType": "Patient", "id": key}}) for key in ("p1", "9990000018")]
    text = ('{"resourceType": "Bundle", "entry": [\n' + ",\n".join(entries) + "\n]}").encode()
    items = read(text)
    assert [(item.key, item.line) for item in items[:1]] == [("p1", 2)]
    assert [(item.place, item.payload) for item in items[1:]] == [
        ("line 3", b'{"resourceType": "Patient", "id": "9990000018"}')
    ]
    lines = b"\n".join(json.dumps(item).encode() for item in (patient("p1"), {"resourceType": "X"}, weight()))
    assert [getattr(item, "key", getattr(item, "place", "")) for item in read(lines, "a.ndjson")] == [
        "p1",
        "line 2",
        "w1",
    ]


def test_what_only_asks_or_answers_is_no_part_of_a_record():
    asked = {"resourceType": "Bundle", "entry": [
        {"request": {"method": "GET", "url": "Patient/p1"}},
        {"resource": {"resourceType": "OperationOutcome", "issue": []}, "search": {"mode": "outcome"}},
    ]}  # fmt: skip
    assert read(asked) == []
    answered = bundle(bundle(patient()), bundle(weight()))
    assert [row.key for row in read(answered)] == ["p1", "w1"]


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p1", "Patient/p1/_history/3", "https://ward.example/fhir/Patient/p1",
        "https://ward.example/fhir/Patient/p1/_history/3", "urn:uuid:aaaa",
    ],
)  # fmt: skip
def test_every_way_to_name_a_patient_of_the_contributor_reaches_it(reference, tmp_path):
    sent = {"resourceType": "Bundle", "entry": [
        {"fullUrl": "urn:uuid:aaaa", "resource": patient()},
        {"resource": weight(subject={"reference": reference, "display": "her"})},
    ]}  # fmt: skip
    made = stored(tmp_path / "in", sent)
    assert made["Observation"]["subject"] == {"reference": f"Patient/{made['Patient']['id']}", "display": "her"}
    assert made["Patient"]["id"] != "p1"


@pytest.mark.parametrize(
    ("reference", "becomes"),
    [
        ({"reference": "Device/1", "display": "scales"}, {"type": "Device", "display": "scales"}),
        ({"reference": "https://b.example/Practitioner/999 000 0018"}, {}),
        ({"reference": "Practitioner?identifier=https://fhir.hl7.org.uk/Id/gmc-number%7CC0000001"},
         {"type": "Practitioner", "identifier": {"system": "https://fhir.hl7.org.uk/Id/gmc-number", "value": "C0000001"}}),
        ({"identifier": {"value": "7"}}, {"identifier": {"value": "7"}}),
    ],
)  # fmt: skip
def test_a_reference_that_leads_elsewhere_keeps_its_words_and_no_address(reference, becomes, tmp_path):
    made = stored(tmp_path / "in", bundle(patient(), weight(performer=[{"display": "x", **reference}])))
    assert made["Observation"]["performer"] == [{"display": "x", **becomes}]


def test_what_is_within_stays_within(tmp_path):
    nurse = {"resourceType": "Practitioner", "id": "n", "name": [{"family": "Ward"}]}
    made = stored(tmp_path / "in", bundle(patient(), weight(contained=[nurse], performer=[{"reference": "#n"}])))
    assert made["Observation"]["contained"] == [nurse] and made["Observation"]["performer"] == [{"reference": "#n"}]


@pytest.mark.hazard("HZ-FHIR-01")
@pytest.mark.parametrize("where", ["beside", "within", "words"])
def test_a_medicine_is_named_where_it_is_ordered(where, tmp_path):
    medication = {"resourceType": "Medication", "id": "m1", "code": {"text": "Example 75mg tablets"}}
    order = {"resourceType": "MedicationRequest", "id": "o1", "status": "active", "intent": "order",
             "subject": {"reference": "Patient/p1"}, "medicationReference": {"reference": "Medication/m1"}}  # fmt: skip
    sent = [patient(), order]
    if where == "beside":
        sent.append(medication)
    elif where == "within":
        order |= {"contained": [medication], "medicationReference": {"reference": "#m1"}}
    else:
        order["medicationReference"]["display"] = "Example 75mg tablets"
    made = stored(tmp_path / "in", bundle(*sent))["MedicationRequest"]
    assert made["medicationCodeableConcept"] == {"text": "Example 75mg tablets"}
    assert not {"medicationReference", "contained"} & set(made)


@pytest.mark.hazard("HZ-FHIR-01")
def test_a_medicine_that_nothing_names_waits_in_quarantine(tmp_path):
    order = {"resourceType": "MedicationRequest", "id": "o1", "status": "active", "intent": "order",
             "subject": {"reference": "Patient/p1"}, "medicationReference": {"reference": "Medication/m1"}}  # fmt: skip
    mapped = write(tmp_path / "in", bundle(patient(), order))
    assert len(mapped.faults) == 1 and [item["resourceType"] for item in mapped.resources()] == ["Patient"]


@pytest.mark.hazard("HZ-FHIR-02")
@pytest.mark.parametrize(
    "sent",
    [
        weight(modifierExtension=[{"url": "urn:x", "valueBoolean": True}]),
        weight(referenceRange=[{"text": "1", "modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}]),
        weight(implicitRules="https://ward.example/rules"),
        weight(focus=[{"display": "Kidney donor"}]),
        weight(
            meta={"tag": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}]}
        ),
    ],
    ids=["modifier", "inner modifier", "rules", "of another", "part"],
)
def test_what_would_be_misread_is_not_stored(sent, tmp_path):
    mapped = write(tmp_path / "in", bundle(patient(), sent))
    assert len(mapped.faults) == 1 and [item["resourceType"] for item in mapped.resources()] == ["Patient"]


@pytest.mark.hazard("HZ-FHIR-03")
@pytest.mark.parametrize(
    ("system", "code", "flag"),
    [(R, "R", ("R",)), (R, "V", ("R",)), (R, "N", ()), (R, "L", ()), (ACT, "NOPAT", ("NOPAT",)), (ACT, "HIV", ("R",)),
     ("urn:of-the-ward", "look-away", ("R",)), ("http://terminology.hl7.org/CodeSystem/v3-ActReason", "HTEST", ())],
)  # fmt: skip
def test_a_label_of_the_contributor_hides_and_an_unknown_one_too(system, code, flag):
    assert flags({"meta": {"security": [{"system": system, "code": code}]}}) == flag


def test_an_nhs_number_counts_as_verified_only_where_the_feed_says_so(tmp_path):
    extension = [{"url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"}]
    number = {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "999 000 0018", "extension": extension}
    plain = stored(tmp_path / "plain", patient(identifier=[number]))["Patient"]["identifier"]
    assert plain == [{"system": number["system"], "value": "9990000018"}]
    sure = Feed("ward", settings={**FEED.settings, "numbers": "verified"})
    assert stored(tmp_path / "sure", patient(identifier=[number]), feed=sure)["Patient"]["identifier"][0]["extension"]
    wrong = stored(tmp_path / "wrong", patient(identifier=[{**number, "value": "9990000019"}]))["Patient"]["identifier"]
    assert wrong == [{"type": {"text": "NHS number as sent; its check digit is wrong"}, "value": "9990000019"}]


def test_decimals_keep_their_digits_and_a_narrative_is_not_taken(tmp_path):
    text = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}
    body = json.dumps(bundle(patient(), weight(text=text, valueString=None, valueQuantity={"value": 1}))).replace(
        '"value": 1}', '"value": 61.50}'
    )
    (tmp_path / "a.json").write_text(body.replace(', "valueString": null', ""))
    made = {item["resourceType"]: item for item in map_all(SOURCE, tmp_path, FEED).resources()}
    assert str(made["Observation"]["valueQuantity"]["value"]) == "61.50" and "text" not in made["Observation"]
    assert decode(encode(made["Observation"]))["valueQuantity"]["value"] == Decimal("61.50")


DELETED = {"resourceType": "Bundle", "timestamp": "2026-01-04T00:00:00Z", "entry": [{"request": {"method": "DELETE", "url": "Observation/w1"}}]}  # fmt: skip
HISTORY = [
    bundle(patient(meta={"lastUpdated": "2026-01-01T00:00:00Z"})),
    bundle(weight()),
    bundle(weight(at="2026-01-03T00:00:00Z", status="amended", valueString="16 kg")),
    DELETED,
    bundle(weight(at="2026-01-05T00:00:00Z", status="corrected", valueString="61.5 kg")),
]


@pytest.mark.hazard("HZ-FHIR-04")
@pytest.mark.parametrize("count", [3, 4, 5])
def test_corrections_and_deletions_end_the_same_in_any_order(count, tmp_path):
    ends = set()
    for number, order in enumerate(itertools.permutations(HISTORY[:count])):
        mapped = write(tmp_path / str(number), *order)
        made = {item["resourceType"]: item.get("valueString") for item in mapped.resources()}
        ends.add(json.dumps(made, sort_keys=True))
    assert ends == {json.dumps({3: {"Patient": None, "Observation": "16 kg"}, 4: {"Patient": None}, 5: {"Patient": None, "Observation": "61.5 kg"}}[count], sort_keys=True)}  # fmt: skip


@pytest.mark.hazard("HZ-FHIR-04")
def test_a_resource_without_a_time_is_taken_with_a_warning():
    assert [place for place, _ in read(patient())[0].warnings] == ["meta.lastUpdated"]
    assert read({**bundle(patient()), "timestamp": "2026-01-01T00:00:00Z"})[0].warnings == ()


def test_a_resource_with_a_quotation_and_no_profile_is_taken(store, tmp_path):
    note = [{"text": 'He said "better".\nSeen again.'}]
    write(tmp_path / "in", patient(), {name: value for name, value in weight(note=note).items() if name != "meta"})
    report = load.load(store, SOURCE, tmp_path / "in", FEED, sets.load(sandbox=True))
    assert not report.rejects and shown(store) == ["final"]


@pytest.mark.hazard("HZ-FHIR-05")
def test_a_result_entered_in_error_is_withdrawn_though_the_rest_of_it_is_at_fault(store, tmp_path):
    folder = tmp_path / "in"
    first, second = (
        bundle(patient(), weight()),
        bundle(weight(at="2026-02-01T00:00:00Z", status="entered-in-error", effectiveDateTime="soon")),
    )
    write(folder, first)
    load.load(store, SOURCE, folder, FEED, sets.load(sandbox=True))
    write(folder, first, second)
    report = load.load(store, SOURCE, folder, FEED, sets.load(sandbox=True))
    assert report.state == "done" and shown(store) == ["entered-in-error"]


@pytest.mark.hazard("HZ-FHIR-04")
def test_without_a_time_what_arrives_last_counts(store, tmp_path):
    for number, status in enumerate(("preliminary", "final", "entered-in-error")):
        folder = tmp_path / str(number)
        write(folder, patient(), {name: value for name, value in weight(status=status).items() if name != "meta"})
        load.load(store, SOURCE, folder, FEED, sets.load(sandbox=True))
        assert shown(store) == [status]


@pytest.mark.hazard("HZ-FHIR-06")
@pytest.mark.parametrize(
    "sent",
    [
        patient("p2", identifier=[{"value": "7", "extension": None}]),
        patient("p2", identifier=7),
        patient("p2", meta={"lastUpdated": "2026-01-01T00:00:00Z", "security": 7, "profile": [7]}),
        weight("w2", contained="x", performer={"reference": ["a"]}),
        weight("w2", status={"coding": None}),
    ],
)
def test_what_is_of_another_type_than_r4_says_costs_itself_alone(store, sent, tmp_path):
    write(tmp_path / "in", patient(), weight(), sent)
    report = load.load(store, SOURCE, tmp_path / "in", FEED, sets.load(sandbox=True))
    assert report.state == "done" and report.exit_code == 1 and shown(store) == ["final"]


@pytest.mark.hazard("HZ-FHIR-01")
def test_a_medicine_that_was_deleted_names_none(store, tmp_path):
    gone = {**DELETED, "entry": [{"request": {"method": "DELETE", "url": "Medication/m1"}}]}
    order = {"resourceType": "MedicationRequest", "id": "o1", "status": "active", "intent": "order",
             "subject": {"reference": "Patient/p1"}, "medicationReference": {"reference": "Medication/m1"}}  # fmt: skip
    write(tmp_path / "in", patient(), order, gone)
    report = load.load(store, SOURCE, tmp_path / "in", FEED, sets.load(sandbox=True))
    assert report.state == "done" and report.exit_code == 1


def test_a_narrative_within_is_not_taken_either(tmp_path):
    text = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">secret</div>'}
    nurse = {"resourceType": "Practitioner", "id": "n", "name": [{"family": "Ward"}], "text": text}
    made = stored(tmp_path / "in", bundle(patient(), weight(contained=[nurse], performer=[{"reference": "#n"}])))
    assert b"secret" not in encode(made["Observation"])


def test_types_that_are_not_taken_are_kept_and_counted(tmp_path):
    claim = {"resourceType": "Claim", "id": "c1"}
    consent = {"resourceType": "Consent", "id": "c1", "patient": {"reference": "Patient/p1"}}
    mapped = write(tmp_path / "in", bundle(patient(), claim, consent))
    assert sorted(mapped.unlisted) == ["Claim resource", "Consent resource"] and not mapped.faults


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("folder", "least", "faults", "rejects"),
    [("synthea-r4/bundles", 28_600, 0, 0), ("synthea-r4-bulk-10", 5_900, 0, 0), ("fhir-r4-examples", 640, 1, 30)],
)
def test_what_others_wrote_is_taken(shared, folder, least, faults, rejects):
    """Synthea's bundles and bulk files, and the standard's own examples, of which some are about no patient."""
    stored_count, at_fault, refused = 0, 0, 0
    for path in sorted((shared / "data" / folder).glob("*.*json")):
        mapped = map_all(SOURCE, path, FEED)
        at_fault, refused = at_fault + len(mapped.faults), refused + len(mapped.rejects)
        for item in mapped.resources():
            stored_count += 1
            assert not model.check(encode(strip_labels(item))), (path.name, item["resourceType"])
    assert at_fault == faults and refused <= rejects and stored_count >= least


@pytest.mark.corpora
def test_the_bundles_of_the_summary_care_record_api_are_taken_and_what_they_lack_is_told(shared):
    """NHS England's own examples, of which many are not valid R4: a date without hyphens, a Condition of nobody. What
    is not valid waits by its place, and stops nothing else."""
    documents, good, at_fault, refused = 0, 0, 0, 0
    for path in sorted((shared / "data/uk-fhir/NHSDigital__summary-care-record-api").rglob("*.json")):
        if decode(path.read_bytes()).get("resourceType") != "Bundle":
            continue
        mapped = map_all(SOURCE, path, FEED)
        documents, refused = documents + 1, refused + len(mapped.rejects)
        is_valid = [not model.check(encode(strip_labels(item))) for item in mapped.resources()]
        good, at_fault = good + sum(is_valid), at_fault + is_valid.count(False) + len(mapped.faults)
    assert documents >= 50 and good >= 300 and good + at_fault >= 400 and 0 < refused <= 270, (good, at_fault, refused)


def strip_labels(item: dict) -> dict:
    meta = {name: value for name, value in item["meta"].items() if name != "security"}
    return {name: value for name, value in {**item, "meta": meta}.items() if value != {}}


@pytest.mark.parametrize(
    "reference", ["Patient/@p1", "https://ward.example/fhir/Patient/@p1", "Patient/@p1/_history/1"]
)
def test_no_file_claims_what_somebody_wrote_over_the_api(reference):
    file = File(Path("a.json"), content=encode(weight(subject={"reference": reference})))
    (item,) = SOURCE.read(file, FEED)
    assert isinstance(item, Reject)
    (item,) = SOURCE.read(File(Path("a.json"), content=encode(patient("@p1"))), FEED)
    assert isinstance(item, Reject)

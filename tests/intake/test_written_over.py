"""What a feed decided of what it loaded, after its contributor writes over the API and after a remap."""

import json
from dataclasses import replace
from importlib import import_module

import pytest

from gateway.errors import Unprocessable
from gateway.fhir import build
from gateway.intake import load
from gateway.intake.change import Change
from gateway.intake.write import write
from gateway.nhs import labels
from gateway.records import open_door
from gateway.store import resources
from mappings import Feed, Values, sources
from mappings.vocabulary import NUMBER_VERIFICATION
from tests.intake.test_write import SETS, TESTER, patient

SOURCE = sources()["fhir"]
WARD = Feed("ward", default="withhold", settings={"publisher": "8A998", "numbers": "verified"})
SHARED = replace(WARD, default="share", settings={"publisher": "8A998"})
STATUS = {"coding": [{"system": "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatus", "code": "01"}]}
NUMBER = {
    "system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018",
    "extension": [{"url": NUMBER_VERIFICATION, "valueCodeableConcept": STATUS}],
}  # fmt: skip
ANN = patient("ann", 1, identifier=[NUMBER])


def seen(of, status="final", **elements):
    subject = {"reference": f"Patient/{of}"}
    return {"resourceType": "Observation", "status": status, "code": {"text": "mood"}, "subject": subject, **elements}


def stay(of):
    return {"resourceType": "EpisodeOfCare", "status": "active", "patient": {"reference": f"Patient/{of}"}}


@pytest.fixture
def door(store, tmp_path):
    lines = [json.dumps(sent) for sent in (ANN, {**seen("ann"), "id": "seen"})]
    (tmp_path / "in.ndjson").write_text("\n".join(lines))
    load.load(store, SOURCE, tmp_path / "in.ndjson", WARD, SETS, workers=0)
    opened = open_door(store, SETS)
    yield opened
    opened.audit.close()


def held(door, resource_type):
    """The only resource of a type as it is held."""
    with door.store.read() as session:
        names = [name for name in resources.of_publisher(session, 1) if name[0] == resource_type]
        return resources.head_of(session, *names[0])


def is_withheld(door, id_):
    with door.store.read() as session:
        return bool(resources.head_of(session, "Observation", id_).labels & labels.UNCLASSIFIED)


def is_verified(door, id_):
    with door.store.read() as session:
        (number,) = build.decode(resources.head_of(session, "Patient", id_).body)["identifier"]
    return "extension" in number


def change(resource, act="create", id_=""):
    return Change(act, resource["resourceType"], id_, {**resource, **({"id": id_} if id_ else {})})


@pytest.mark.hazard("HZ-WRITE-07")
def test_a_write_strips_nothing_that_the_feed_decided(door):
    ann, noted = held(door, "Patient"), held(door, "Observation")
    assert is_verified(door, ann.id) and is_withheld(door, noted.id)
    write(door, TESTER, [change(stay(ann.id))], "r")
    assert is_verified(door, ann.id), "of a group that another write maps again"
    write(door, TESTER, [change(seen(ann.id, "amended"), "update", noted.id)], "r")
    write(door, TESTER, [change(seen(ann.id, "corrected"), "update", noted.id)], "r")
    assert is_withheld(door, noted.id)
    write(door, TESTER, [Change("delete", "Observation", noted.id)], "r")
    write(door, TESTER, [change(seen(ann.id), "update", noted.id)], "r")
    assert is_withheld(door, noted.id), "deleted and made again"


@pytest.mark.hazard("HZ-WRITE-08")
def test_a_number_written_over_the_api_is_never_verified(door):
    ann = held(door, "Patient")
    (made,) = write(door, TESTER, [change(ANN)], "r")
    write(door, TESTER, [change(ANN, "update", ann.id)], "r")
    for feed in (WARD, SHARED, WARD):
        load.remap(door.store, SOURCE, feed, SETS, workers=0)
        assert not is_verified(door, made.version.id) and not is_verified(door, ann.id)


def test_a_remap_decides_anew_of_what_its_feed_sent_and_of_nothing_else(door, tmp_path):
    noted = held(door, "Observation")
    (written,) = write(door, TESTER, [change(seen(held(door, "Patient").id))], "r")
    other = Feed("other", settings={"publisher": "8A997", "numbers": "verified"})
    for feed, is_kept in ((other, True), (SHARED, False), (WARD, True)):
        load.remap(door.store, SOURCE, feed, SETS, workers=0)
        assert is_withheld(door, noted.id) is is_kept and is_verified(door, held(door, "Patient").id) is is_kept
    assert is_withheld(door, written.version.id)


def test_new_results_are_withheld_where_the_operator_says_so(door):
    ann = held(door, "Patient").id
    for defaults, is_hidden in (({}, False), ({"8A998": "withhold"}, True), ({"8A997": "withhold"}, False)):
        (done,) = write(door, TESTER, [change(seen(ann))], "r", "", defaults)
        assert is_withheld(door, done.version.id) is is_hidden


def test_nothing_is_written_over_what_does_not_say_by_which_feed_it_came(store, tmp_path, monkeypatch):
    (tmp_path / "in.ndjson").write_text(json.dumps(ANN))
    with monkeypatch.context() as old:
        old.setattr(import_module("mappings.fhir.read"), "decided_by", lambda feed: Values())
        load.load(store, SOURCE, tmp_path / "in.ndjson", WARD, SETS, workers=0)
    door = open_door(store, SETS)
    ann = held(door, "Patient").id
    for asked in (change(ANN, "update", ann), change(stay(ann))):
        with pytest.raises(Unprocessable):
            write(door, TESTER, [asked], "r")
    assert is_verified(door, ann)
    load.remap(store, SOURCE, WARD, SETS, workers=0)
    write(door, TESTER, [change(stay(ann))], "r")
    assert is_verified(door, ann)
    door.audit.close()

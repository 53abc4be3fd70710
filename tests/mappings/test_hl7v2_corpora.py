"""Messages that others wrote: nothing crashes, every resource is R4, and what is turned away is counted."""

import base64
import importlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import Invalid
from gateway.fhir.build import encode
from mappings import Feed, Group, Reject, Row
from mappings.hl7v2 import SOURCE
from mappings.hl7v2.message import parse
from mappings.hl7v2.reader import of_patient
from mappings.vocabulary import CANNOT_BE
from tests.mappings.harness_hl7v2 import DictLook

pytestmark = pytest.mark.corpora

CASES = [("uk-sim", 1482, 0), ("thirdparty", 294, 225)]


@pytest.mark.parametrize("folder, kept, turned_away", CASES)
def test_a_corpus_is_read_without_a_crash(shared, folder, kept, turned_away):
    rows, rejects, made, quarantined = _mapped(shared / "data" / "hl7v2" / folder)
    assert len(rows) >= kept and sum(rejects.values()) <= turned_away, rejects
    assert not quarantined, quarantined
    names = [(each["resourceType"], each["id"]) for each in made]
    assert len(names) == len(set(names))
    _check(made)


def test_the_simulated_hospital_is_one_of_patients_visits_and_results(shared):
    _, _, made, _ = _mapped(shared / "data" / "hl7v2" / "uk-sim")
    kinds = Counter(each["resourceType"] for each in made)
    assert kinds["Observation"] > 2000 and kinds["Encounter"] > 200 and kinds["Patient"] > 250
    merged = [each for each in made if each["resourceType"] == "Patient" and not each["active"]]
    assert merged and all(each["link"][0]["type"] == "replaced-by" for each in merged)


TAKEN = {
    "thirdparty": {
        "A17": (0, 0), "A41": (1, 2), "A45": (2, 2), "A47": (3, 3), "A60": (3, 3), "MDM": (17, 18), "ORM": (7, 18), "OML": (17, 18), "OMG": (2, 2),
        "VXU": (27, 86), "SIU": (15, 16), "ORU": (36, 57),
    },
    "uk-sim": {"A17": (4, 4), "MDM": (74, 74), "ORM": (43, 43), "ORR": (43, 43), "ORU": (566, 566)},
}  # fmt: skip
"""Folder → type or event → (messages taken, messages there). Of VXU 51 and of ORU 17 lack the segment that they are
about, being one segment of a converter's tests; of ORM 4 have no sender, 4 no patient or order, 3 are of medicines or
supplies."""


@pytest.mark.parametrize("folder", TAKEN)
def test_of_the_types_that_are_read_this_many_are_taken(shared, folder):
    taken, there = Counter(), Counter()
    for file in SOURCE.check(shared / "data" / "hl7v2" / folder, Feed()):
        for read in SOURCE.read(file, Feed()):
            if isinstance(read, Reject) or not read.aside:
                payload = read.payload if isinstance(read, Reject) else read.values["message"].encode()
                names = (
                    {payload[:4000].split(b"|")[8][:7].decode()[part] for part in (slice(0, 3), slice(4, 7))}
                    if payload
                    else set()
                )
                there.update(names)
                taken.update(() if isinstance(read, Reject) else names)
    assert {name: (taken[name], there[name]) for name in TAKEN[folder]} == TAKEN[folder]


WORDS = {"TXA": (12,), "OBR": (4,), "RXA": (5, 15), "IAM": (3,), "RXR": (1, 2), "SCH": (1, 2), "AIS": (3,)}
"""Fields of the new families whose first component must be in what is made of them."""


@pytest.mark.parametrize("folder", TAKEN)
def test_no_value_of_the_new_families_is_lost(shared, folder):
    """Each message by itself, so that none replaces what another said. A dose of a day that cannot be is counted and
    makes nothing: some samples date one after their own sending."""
    lost = Counter()
    for row in _mapped(shared / "data" / "hl7v2" / folder)[0]:
        if ("RXA-3", CANNOT_BE) in row.warnings:
            continue
        if row.table in ("MDM", "ORM", "VXU", "SIU") or row.values["event"] == "A60":
            shown = _shown(row)
            lost.update(place for place, words in _values(row) if words and words not in shown)
    assert not lost


def _shown(row: Row) -> str:
    """All that is made of one message, with the texts of its documents."""
    look = DictLook(row.publisher, Feed())
    made = [each for key in row.groups for each in SOURCE.to_fhir(Group(key, row.publisher, (row,)), look)]
    text = "\n".join(encode(each).decode() for each in made)
    texts = [
        base64.b64decode(data).decode("utf-8", "replace") for data in re.findall(r'"data":"([A-Za-z0-9+/=]+)"', text)
    ]
    return " ".join(" ".join([text.replace("\\n", " "), *texts]).split())


def _values(row: Row) -> Iterator[tuple[str, str]]:
    message = parse(row.values["message"])
    beside = of_patient(message)  # counted as not read
    for segment in [segment for segment in message.segments if segment not in beside]:
        for field in () if segment.name == "AIS" and row.table == "ADT" else WORDS.get(segment.name, ()):
            yield (
                f"{row.table} {segment.name}-{field}",
                encode({"x": segment.text(field)}).decode()[6:-2].replace("998", ""),
            )
        is_text = segment.name == "OBX" and segment.text(2) not in ("ED", "CE", "CWE", "CNE") and row.table != "ADT"
        if is_text and segment.text(11) not in ("D", "W"):
            words = " ".join(segment.whole(5).replace("^", " ").split())
            yield f"{row.table} OBX-5", words if row.table == "MDM" else encode({"x": words}).decode()[6:-2]


def _mapped(folder: Path) -> tuple[list[Row], Counter, list[dict], Counter]:
    feed, rejects, quarantined = Feed(), Counter(), Counter()
    kept: dict[tuple[str, str, str], Row] = {}
    for file in SOURCE.check(folder, feed):
        for each in SOURCE.read(file, feed):
            if isinstance(each, Reject):
                rejects[each.reason] += 1
            else:
                kept[each.publisher, each.table, each.key] = each
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in kept.values():
        for key in row.groups:
            groups.setdefault((row.publisher, key), []).append(row)
    made: list[dict] = []
    for (publisher, key), rows in groups.items():
        try:
            made += SOURCE.to_fhir(Group(key, publisher, tuple(rows)), DictLook(publisher, feed))
        except Invalid as fault:
            quarantined[str(fault)] += 1
    return list(kept.values()), rejects, made, quarantined


def _check(made: list[dict]) -> None:
    try:
        model = importlib.import_module("gateway.fhir.model")
    except ModuleNotFoundError:
        return
    faults = Counter(
        (each["resourceType"], str(issue)) for each in made for issue in model.check(encode(_unlabelled(each)))
    )
    assert not faults, faults.most_common(10)


def _unlabelled(made: dict) -> dict:
    """The resource without the label words that intake takes off."""
    return {**made, "meta": {name: value for name, value in made["meta"].items() if name != "security"}}

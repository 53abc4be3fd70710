"""Messages that others wrote: nothing crashes, every resource is R4, and what is turned away is counted."""

import importlib
from collections import Counter
from pathlib import Path

import pytest

from gateway.errors import Invalid
from gateway.fhir.build import encode
from mappings import Feed, Group, Reject, Row
from mappings.hl7v2 import SOURCE
from tests.mappings.harness_hl7v2 import DictLook

pytestmark = pytest.mark.corpora

CASES = [("uk-sim", 1319, 163), ("thirdparty", 130, 380)]


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

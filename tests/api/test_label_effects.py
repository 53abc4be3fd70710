"""Each label by the front door: who is answered with an item that carries just that label, and which release holds it.

The expected effects are literals (``tests/effects.py``). The last tests take one bit out of one constant of the policy
and show that the comparison fails: the constants are enforced, not repeated.
"""

import functools
import itertools
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from gateway import config
from gateway.composition import create_gateway
from gateway.export import approval, asking, national_list, running
from gateway.nhs import labels, leaving, sensitive
from gateway.nhs.codesets import CodeSets
from gateway.store.hashes import id_hash
from tests import effects
from tests.api.conftest import Api, Clock
from tests.api.people import AMY, ANN, SETS, encounter, fill, observation, to, uid
from tests.effects import BIT, EFFECTS, ON_PATIENT
from tests.export.conftest import ROOT, document
from tests.toy import deliver, row

CONSENTS = "425691002"
NUMBER = {label.name: number for number, label in enumerate(labels.LABELS, 11)}
PLAIN = 99
"""The item without a label. Every item's number is its value too, by which it is found in a release."""
OF_ANN, OF_AMY = 300, 500
_folders = itertools.count()


@pytest.fixture(scope="module")
def labelled(tmp_path_factory, data_dir) -> Iterator[Api]:
    """Ann and Amy, who consents to sharing, with one item for each label. The ward has their permission."""
    folder = data_dir(tmp_path_factory.mktemp("labelled") / "data")
    store = create_gateway(config.Settings(data_dir=folder), "sandbox", clock=Clock()).store
    fill(store)
    numbers = [*NUMBER.values(), PLAIN]
    rows = [
        row(f"{person} {number}", _item(first + number, patient, number), publisher=publisher)
        for person, first, patient, publisher in (("ann", OF_ANN, 1, "P1"), ("amy", OF_AMY, 21, "P2"))
        for number in numbers
    ]
    consents = observation(700, 21, CONSENTS, effectiveDateTime="2024-01-01")
    deliver(store, [*rows, row("amy consents", consents, publisher="P2")], SETS)
    api = Api(store, folder)
    for person in (ANN, AMY):
        assert api.permit(person, "dr-ward").status_code == 201
    for name, number in NUMBER.items():
        for first in (OF_ANN, OF_AMY):
            _put(api, first + number, BIT[name])
    listed = folder / "optouts.csv"
    listed.write_text("9999999468\n")
    national_list.load(store, listed)
    for project, excludes in (("study", False), ("careful", True)):
        approval.add(store, document(project, exclude_sensitive=excludes), "asker")
        for name in ("guardian", "controller"):
            approval.approve(store, project, name)
    yield api
    api.close()
    store.close()


def _item(id_: int, patient: int, number: int) -> dict:
    value = {"value": Decimal(number), "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"}
    return observation(id_, patient, "271649006", effectiveDateTime="2024-05-04", valueQuantity=value)


def _put(api: Api, id_: int, bits: int) -> None:
    """Give one resource these labels and no other."""
    with api.store.write() as session:
        assert session.run("UPDATE head SET labels = ? WHERE id_hash = ?", bits, id_hash(uid(id_))) == 1


def _is_shown(api: Api, id_: int, patient: int, user: str) -> bool:
    """Whether a caller is answered with an item, by its id, among the person's, and in everything of the person."""
    status = api.get(f"/fhir/Observation/{uid(id_)}", user).status_code
    assert status in (200, 404)
    is_found = f"Observation/{uid(id_)}" in api.found(f"/fhir/Observation?patient={uid(patient)}&_count=100", user)
    everything = api.get(f"/fhir/Patient/{uid(patient)}/$everything", user)
    assert is_found == (status == 200) == (f"Observation/{uid(id_)}" in everything.text)
    return is_found


def _released(api: Api, folder: Path, project: str) -> list[int]:
    """The numbers of the items of a new release of a project: one for each person who has it."""
    job = asking.start(api.store, project, "tester", optout_days=7)
    out = folder / f"release{next(_folders)}"
    running.run(api.store, job, out, ROOT, workers=0)
    lines = [line for path in out.glob("Observation*.ndjson") for line in path.read_text().splitlines()]
    return [int(resource["valueQuantity"]["value"]) for line in lines if "valueQuantity" in (resource := json.loads(line))]  # fmt: skip


def _spread(bit: int) -> int:
    """The labels that an encounter gets from an item with this label."""
    items = [(1, encounter(70, 1), 0), (2, observation(71, 1, encounter=to("Encounter", 70)), bit)]
    return sensitive.derive(items, CodeSets())[1][0]


def _observed(api: Api, folder: Path, name: str) -> set[str]:
    """What a label does to the item that carries it."""
    number = NUMBER[name]
    spread = _spread(BIT[name])
    shown = functools.partial(_is_shown, api)
    to_others = shown(OF_ANN + number, 1, "dr-ward")
    study, careful = _released(api, folder, "study"), _released(api, folder, "careful")
    facts = {
        effects.HIDDEN_ALWAYS: not shown(OF_ANN + number, 1, "dr-green"),
        effects.HIDDEN_FROM_OTHERS: not to_others,
        effects.CONSENT_OPENS: not to_others and shown(OF_AMY + number, 21, "dr-ward"),
        effects.NEVER_RELEASED: number not in study,
        effects.ON_REQUEST: number in study and number not in careful,
        effects.SPREADS: bool(spread & labels.LINKED),
        effects.SPREADS_LEGAL: bool(spread & labels.LEGAL),
    }
    return {effect for effect, is_so in facts.items() if is_so}


def _observed_of_person(api: Api, folder: Path, name: str) -> set[str]:
    """What a label on Ann's Patient does to her item without a label. Amy's is the other one of that number."""
    _put(api, 1, BIT[name])
    try:
        facts = {
            effects.REFUSED_TO_ALL: not _is_shown_by_id(api, OF_ANN + PLAIN, "dr-green"),
            effects.REFUSED_TO_OTHERS: not _is_shown_by_id(api, OF_ANN + PLAIN, "dr-ward"),
            effects.PERSON_KEPT_OUT: _released(api, folder, "study").count(PLAIN) == 1,
        }
    finally:
        _put(api, 1, 0)
    return {effect for effect, is_so in facts.items() if is_so}


def _is_shown_by_id(api: Api, id_: int, user: str) -> bool:
    return api.get(f"/fhir/Observation/{uid(id_)}", user).status_code == 200


def test_every_label_has_its_effects():
    assert EFFECTS.keys() == ON_PATIENT.keys() == BIT.keys()


@pytest.mark.parametrize("name", EFFECTS)
def test_a_label_does_this_to_its_item_and_nothing_else(labelled, tmp_path, name):
    assert _observed(labelled, tmp_path, name) == EFFECTS[name]


@pytest.mark.parametrize("name", ON_PATIENT)
def test_a_label_of_the_patient_does_this_to_the_rest_of_the_record(labelled, tmp_path, name):
    assert _observed_of_person(labelled, tmp_path, name) == ON_PATIENT[name]


def test_an_item_without_a_label_is_shown_and_released(labelled, tmp_path):
    assert _is_shown(labelled, OF_ANN + PLAIN, 1, "dr-green") and _is_shown(labelled, OF_ANN + PLAIN, 1, "dr-ward")
    assert not _is_shown_by_id(labelled, OF_ANN + PLAIN, "dr-other")
    for project in ("study", "careful"):
        assert _released(labelled, tmp_path, project).count(PLAIN) == 2


# The policy's constants, each with one bit less


CONSTANTS = [
    (labels, "HIDDEN_ALWAYS"), (labels, "HIDDEN_FROM_OTHERS"), (labels, "HIDDEN_UNLESS_KEPT"), (labels, "NEVER_RELEASED"),
    (labels, "SPREADING"), (leaving, "ON_REQUEST"),
]  # fmt: skip
BREAKS = [
    pytest.param(module, constant, name, id=f"{name} out of {constant}")
    for module, constant in CONSTANTS
    for name, bit in BIT.items()
    if getattr(module, constant) & bit
]


@pytest.mark.parametrize("module, constant, name", BREAKS)
def test_a_label_that_leaves_a_constant_is_seen(labelled, tmp_path, monkeypatch, module, constant, name):
    monkeypatch.setattr(module, constant, getattr(module, constant) & ~BIT[name])
    assert _observed(labelled, tmp_path, name) != EFFECTS[name]


@pytest.mark.parametrize("name", ["restricted", "withheld"])
def test_a_label_that_no_longer_keeps_a_person_out_is_seen(labelled, tmp_path, monkeypatch, name):
    monkeypatch.setattr(leaving, "KEEPS_OUT", leaving.KEEPS_OUT & ~BIT[name])
    assert _observed_of_person(labelled, tmp_path, name) != ON_PATIENT[name]

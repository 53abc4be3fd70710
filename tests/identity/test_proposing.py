"""Splink proposes and gathers nobody; a store without it says so."""

import sys

import pytest

from gateway.errors import Refused
from gateway.identity import answering, proposing, review
from gateway.nhs import identity, labels
from gateway.nhs.identifiers import synthetic
from gateway.store.database import open_store
from tests.identity.people import at_the_practice, at_the_trust, patient, uid
from tests.identity.test_rulings import items
from tests.identity.test_tracing import persons
from tests.schema import sqlite_url

FAMILIES = "Fernsby Gooch Quillfeather Ames Thorne Bligh Crane Dacre Eames Frobisher Garth Hale Ivory Jessop".split()
GIVENS = "Ann Bea Cyril Dora Edmund Flora Gwen Hugh Ivy Jasper Kitty Leo".split()


def someone(index: int, *numbers: str, **more) -> dict:
    """The index-th of many people, who differ in names, birth date and postcode."""
    born = f"{1930 + index % 70}-{1 + index % 12:02}-{1 + index % 28:02}"
    facts = {"family": FAMILIES[index % 14], "given": GIVENS[index % 11], "born": born,
             "gender": "female" if index % 2 else "male", "postcode": f"ZE{index % 9 + 1} {index % 7}AB"}  # fmt: skip
    return patient(more.pop("id_", index * 1000), *numbers, **{**facts, **more})


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A practice's 105 patients. The trust holds 15 of them without a number, of whom the last is restricted, and one
    under another number, which it verified."""
    opened = open_store(sqlite_url(tmp_path_factory.mktemp("store") / "gateway.db"), create="sandbox")
    at_the_practice(opened, *(someone(index, synthetic(index)) for index in range(1, 106)))
    at_the_trust(
        opened,
        *(someone(index, id_=index * 1000 + 500) for index in range(1, 16)),
        someone(16, synthetic(300), id_=16500, verified=True),
    )
    with opened.write() as session:
        session.run("UPDATE head SET labels = ? WHERE id = ?", labels.RESTRICTED, uid(15500))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def proposed(store) -> set[str]:
    """The persons before, and the proposals that were made."""
    before = persons(store)
    count = proposing.propose(store, "ann")
    assert count == len(items(store, "proposal")) and persons(store) == before
    return before


def pairs(store) -> set[tuple[str, ...]]:
    open_items = review.review(store)
    return {
        tuple(sorted(open_items.held[patient].id[:8].lstrip("0") for patient in item.patients))
        for item in open_items.items
        if item.kind == "proposal"
    }


@pytest.mark.hazard("HZ-ID-13")
@pytest.mark.slow
def test_records_without_a_number_are_proposed_with_reasons_and_nobody_is_gathered(store, proposed):
    same = {tuple(sorted((str(index * 1000), str(index * 1000 + 500)))) for index in range(1, 15)}
    assert same <= pairs(store)
    item = items(store, "proposal")[0]
    assert item.why.startswith("probability 0.99") or item.why.startswith("probability 1.000")
    assert "same birth date" in item.why and not any(name in item.why for name in (*FAMILIES, *GIVENS))


@pytest.mark.hazard("HZ-ID-13")
@pytest.mark.slow
def test_nobody_joins_a_proposal_that_no_number_verifies(store, proposed):
    item = items(store, "proposal")[0]
    ids = [review.review(store).held[patient].id for patient in item.patients]
    with pytest.raises(Refused):
        answering.join(store, item.id, *ids, "ann", "they look alike")


@pytest.mark.hazard("HZ-ID-14")
@pytest.mark.slow
def test_nobody_is_proposed_who_is_restricted_or_has_a_sure_number_of_their_own(store, proposed):
    """The second would tell of a change of gender, which gives a new number and no link to the old."""
    named = {name for pair in pairs(store) for name in pair}
    assert not {"15500", "16500"} & named


@pytest.mark.slow
def test_a_proposal_that_somebody_answered_does_not_come_back(store, proposed):
    item = items(store, "proposal")[0]
    answering.confirm(store, item.id, "ann", "two people")
    proposing.propose(store, "ann")
    assert item.id not in {item.id for item in items(store, "proposal")}


def test_too_few_records_teach_nothing():
    few = {index: identity.of_patient(someone(index)) for index in range(5)}
    assert proposing.compared(few) == []


def test_without_splink_the_command_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "splink", None)
    with pytest.raises(Refused, match="pip install 'nhs-record-gateway\\[linkage\\]'"):
        proposing.compared({})


@pytest.mark.slow
def test_a_model_that_cannot_be_trained_is_refused_without_a_value():
    nobody = {index: identity.of_patient({"id": str(index), "birthDate": "1980-02-03"}) for index in range(120)}
    with pytest.raises(Refused) as refusal:
        proposing.compared(nobody)
    assert refusal.value.__cause__ is None and "1980" not in str(refusal.value)

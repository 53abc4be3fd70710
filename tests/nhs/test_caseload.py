"""Who is on the list of an organisation, by the facts of one person."""

from dataclasses import replace

import pytest

from gateway.nhs import caseload, labels
from gateway.nhs.access import decide
from tests.nhs.test_access import GP, GREEN, ODS, PERSON, WARD, facts, labelled

GP_OF, TRUST_OF, COUNCIL_OF = PERSON
DEAD = {"deceased": True}
CASES = {
    "registered here": (GREEN, facts(GREEN, permitted=False), ["gp"]),
    "on the ward, whether or not permission is recorded": (WARD, facts(WARD, permitted=False), ["hospital"]),
    "known here, and neither": (WARD, facts(WARD, (GP_OF, replace(TRUST_OF, attending=False))), []),
    "known elsewhere only": (WARD, facts(WARD, (GP_OF, COUNCIL_OF)), []),
    "nobody": (WARD, facts(WARD, ()), []),
    "dead by our own record": (WARD, facts(WARD, (GP_OF, replace(TRUST_OF, **DEAD))), []),
    "dead by another's, which is another's record": (
        WARD,
        facts(WARD, (replace(GP_OF, **DEAD), TRUST_OF)),
        ["hospital"],
    ),
    "restricted by anybody": (WARD, facts(WARD, labelled(labels.RESTRICTED)), []),
    "withheld by us, so the limits leave it out": (WARD, facts(WARD, labelled(labels.WITHHELD, 1)), ["hospital"]),
    "objecting to sharing": (WARD, facts(WARD, labelled(labels.OBJECTION)), ["hospital"]),
    "more than one person": (WARD, facts(WARD, persons=(1, 2)), []),
    "of an organisation that shares no more": (GREEN, facts(GREEN, active=frozenset(ODS) - {GP}), []),
    "twice with us": (WARD, facts(WARD, (*PERSON, replace(TRUST_OF, id="twin", key=9))), ["hospital", "twin"]),
}


@pytest.mark.hazard("HZ-LIST-01")
@pytest.mark.parametrize("caller, about, expected", CASES.values(), ids=CASES)
def test_who_stands_on_a_list(caller, about, expected):
    decision = decide(caller, caseload.ACT, about)
    assert [fact.id for fact in caseload.standing(decision)] == expected

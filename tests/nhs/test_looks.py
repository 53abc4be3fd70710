"""What the audit tells a person of those who looked: in the words of each act, and nothing of an enquiry."""

import pytest

from gateway.nhs import relationship
from gateway.nhs.looks import HELD_BACK, OTHERWISE, looks
from gateway.nhs.roles import Caller

ANN = Caller(user="ann", name="Ann", organisation="", role="", issuer="login", kind="citizen")
EVENT = {
    "at": 1_780_000_000_000_000, "user": "u", "issuer": "i", "role": "R8000", "organisation": "RZZ", "outcome": "ok",
    "count": 1,
}  # fmt: skip


def told(**event) -> list[tuple[str, str]]:
    return [(look.what, look.why) for look in looks([{**EVENT, **event}], ANN, {"RZZ": "The trust"}, is_at_risk=False)]


@pytest.mark.hazard("HZ-ACCESS-55")
@pytest.mark.parametrize("basis", sorted(HELD_BACK))
def test_nothing_is_told_of_an_enquiry(basis):
    assert told(act="override", basis=basis) == [] == told(act="shared", basis=basis)
    assert told(act="override", outcome="refused") == []
    assert told(act="audit.look", basis=f"{basis} permission") == [], "an officer who looks into it"


@pytest.mark.parametrize("basis", sorted(relationship.ANSWERS.keys() - HELD_BACK))
def test_what_was_recorded_is_told_as_what_it_is(basis):
    ((what, why),) = told(act=relationship.ANSWERS[basis].act, basis=basis)
    assert what != OTHERWISE and ("refused" in what) == (basis == relationship.DENIED) == (why == "")
    assert ("could not be asked" in what) == (basis == "emergency")

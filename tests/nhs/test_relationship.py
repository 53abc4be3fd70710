"""A relationship is a fact of today: what has ended, is too old, or of which nobody speaks any more opens nothing."""

from datetime import UTC, datetime

import pytest

from gateway.fhir.dates import DAY, microseconds, moment
from gateway.nhs import kinds, relationship
from gateway.nhs.relationship import is_current

NOW = microseconds(datetime(2026, 11, 27, 12, tzinfo=UTC))
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def visit(class_="IMP", status="in-progress", start="", end="", moved="", **more):
    period = {name: value for name, value in (("start", start), ("end", end)) if value}
    stays = [{"period": {"start": date}} for date in (start, moved) if date]
    return {
        "resourceType": "Encounter", "status": status, "class": {"system": ACT, "code": class_} if class_ else {"display": "Ward"},
        **({"period": period} if period else {}), **({"location": stays} if stays else {}), **more,
    }  # fmt: skip


def referral(on="", status="active"):
    return {"resourceType": "ServiceRequest", "status": status, **({"authoredOn": on} if on else {})}


def service(start="", end="", status="active"):
    period = {name: value for name, value in (("start", start), ("end", end)) if value}
    return {"resourceType": "EpisodeOfCare", "status": status, "period": period}


CASES = [
    ("a bed of 2011", "hospital", visit(start="2011-01-01T09:30:00Z"), False),
    ("a bed of last week", "hospital", visit(start="2026-11-20"), True),
    ("a bed of 2011, moved last week", "hospital", visit(start="2011-01-01", moved="2026-11-20"), True),
    ("a bed of 2011, moved in 2012", "hospital", visit(start="2011-01-01", moved="2012-01-01"), False),
    ("a bed of eleven months", "hospital", visit(start="2026-01-02"), True),
    ("a bed whose end has come", "hospital", visit(start="2026-11-20", end="2026-11-26"), False),
    ("a bed whose end is to come", "hospital", visit(start="2026-11-20", end="2026-12-01"), True),
    ("a bed of next year", "hospital", visit(start="2027-02-01"), False),
    ("a bed of this evening, by another clock", "hospital", visit(start="2026-11-27T20:00:00Z"), True),
    ("a bed that is finished", "hospital", visit(status="finished", start="2026-11-20"), False),
    ("a bed of a date that cannot be read", "hospital", visit(start="2011-99"), True),
    ("an emergency of yesterday", "hospital", visit("EMER", start="2026-11-26"), True),
    ("an emergency of last month", "hospital", visit("EMER", start="2026-10-26"), False),
    ("a clinic of last week", "hospital", visit("AMB", start="2026-11-20"), True),
    ("a clinic of 2019", "hospital", visit("AMB", start="2019-05-01"), False),
    ("a class in the sender's words, of spring", "hospital", visit("", start="2026-04-01"), False),
    ("a conveyance of last week", "ambulance", visit("IMP", start="2026-11-20"), False),
    ("a consultation that nobody closed, of 2015", "gp", visit("AMB", start="2015-05-01"), False),
    ("a long stay in a mental health ward", "mental-health", visit(start="2024-12-01"), True),
    ("a referral of last year", "hospital", referral("2025-11-01"), True),
    ("a referral of 2015", "hospital", referral("2015-11-01"), False),
    ("a practice's own referral of 2015", "gp", referral("2015-11-01"), False),
    ("a referral that was revoked", "hospital", referral("2026-11-01", "revoked"), False),
    ("a care package of 2011", "social-care", service("2011-01-01"), True),
    ("a care package whose end has come", "social-care", service("2011-01-01", "2026-01-01"), False),
    ("a registration", "gp", service("2011-01-01"), False),
    ("a hospital's episode", "hospital", service("2026-11-20"), False),
    ("a bed at a publisher of no known kind", "spa", visit(start="2026-11-20"), False),
]  # fmt: skip


@pytest.mark.hazard("HZ-ACCESS-24")
@pytest.mark.parametrize(
    "kind, resource, is_relationship", [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_an_open_resource_is_a_relationship_while_its_row_lets_it(kind, resource, is_relationship):
    assert is_current(kind, resource, NOW - DAY, NOW - DAY, NOW) is is_relationship


@pytest.mark.hazard("HZ-ACCESS-30")
@pytest.mark.parametrize("kind", ["gp", "hospital", "community", "social-care"])
def test_a_plan_is_no_relationship(kind):
    assert is_current(kind, referral("2026-11-01"), NOW, NOW, NOW)
    for intent in ("plan", "proposal", "option"):
        assert not is_current(kind, {**referral("2026-11-01"), "intent": intent}, NOW, NOW, NOW)


LIMITED = {row: days for row, days in kinds.RELATIONSHIP_DAYS.items() if days is not None}


@pytest.mark.parametrize("row", LIMITED, ids=lambda row: " ".join(name or "any" for name in row))
def test_each_row_of_days_decides_on_its_last_day(row):
    kind, type_, class_ = row[0] or "hospital", row[1], row[2] or "no such class"
    if (kind, type_, kinds.ANY) in LIMITED and not row[0]:
        kind = "social-care"
    at = moment(NOW - LIMITED[row] * DAY).isoformat()
    on_time = visit(class_, start=at) if type_ == "Encounter" else referral(at)
    before = moment(NOW - LIMITED[row] * DAY - 1_000_000).isoformat()
    too_old = visit(class_, start=before) if type_ == "Encounter" else referral(before)
    assert is_current(kind, on_time, NOW, NOW, NOW) and not is_current(kind, too_old, NOW, NOW, NOW)


@pytest.mark.parametrize("resource", [visit(), visit(""), referral()])
def test_without_any_date_it_counts_for_a_few_days_from_when_it_was_stored(resource):
    days = kinds.UNDATED_DAYS
    assert is_current("hospital", resource, NOW - days * DAY, NOW, NOW)
    assert not is_current("hospital", resource, NOW - days * DAY - 1, NOW, NOW)


@pytest.mark.parametrize("kind", [kind for kind in kinds.ROWS if kind.attends], ids=lambda kind: kind.name)
def test_every_kind_that_attends_ends_by_silence_and_has_a_limit_for_each_type(kind):
    assert kind.relationship_days is not None
    bed = visit(start="2026-11-26")
    silent = NOW - (kind.relationship_days + 1) * DAY
    assert is_current(kind.name, bed, NOW, NOW, NOW) and not is_current(kind.name, bed, NOW, silent, NOW)
    for type_ in kind.attends - {"EpisodeOfCare"}:
        assert kinds.open_days(kind.name, type_, "a class of which nobody told")


def registered(type_: str, start: str = "", end: str = "", status: str = "active"):
    return {**service(start, end, status), "type": [{"coding": [{"code": type_}]}]}


REGISTRATIONS = [
    (registered("T", "2026-10-01"), True),
    (registered("T", "2011-01-01"), False),
    (registered("T", "2026-10-01", "2026-11-01"), False),
    (registered("T", "2026-10-01", status="finished"), False),
    (registered("T", "2027-02-01"), False),
    (registered("IN", "2026-11-10"), True),
    (registered("IN", "2026-06-10"), False),
    (registered("E", "2019-06-10"), False),
    (registered("P", "2011-01-01"), True),
    (registered("no such type", "2026-11-20"), False),
    (registered("T"), True),
]


@pytest.mark.hazard("HZ-ACCESS-25")
@pytest.mark.parametrize(("episode", "is_relationship"), REGISTRATIONS)
def test_a_registration_that_was_never_ended_is_no_relationship_for_ever(episode, is_relationship):
    assert relationship.is_current_registration(episode, NOW - DAY, NOW) is is_relationship
    if "start" not in episode["period"]:
        stored = NOW - (kinds.UNDATED_DAYS + 1) * DAY
        assert not relationship.is_current_registration(episode, stored, NOW)


@pytest.mark.parametrize("type_", [type_ for type_, days in kinds.REGISTRATION_DAYS.items() if days is not None])
def test_each_type_of_registration_counts_until_its_last_day(type_):
    days = kinds.REGISTRATION_DAYS[type_] * DAY
    for start, is_relationship in ((NOW - days, True), (NOW - days - 1_000_000, False)):
        episode = registered(type_, moment(start).isoformat())
        assert relationship.is_current_registration(episode, NOW, NOW) is is_relationship


def test_the_table_speaks_of_kinds_and_types_that_there_are():
    for kind, type_, _ in kinds.RELATIONSHIP_DAYS:
        assert kind in {kinds.ANY, *kinds.KINDS} and type_ in relationship.ATTENDING
    assert kinds.open_days("hospital", "NoSuchType") == 0

"""The snooping drill: how many of the planted snoopers the rules find at 50 alerts a day, and what else they report."""

from collections import Counter
from dataclasses import replace

import pytest

from gateway.fhir.dates import DAY
from gateway.nhs import snooping
from gateway.nhs.snooping import Evidence, Finding, Known, View, address_of, findings, surname_of
from gateway.synth import snoopers

DAYS = 28


def measured(seed: int, least: int) -> dict:
    hospital = snoopers.planted(seed, DAYS)

    def known(row):
        surname, line, postcode, number = row
        return Known(surname_of(surname), address_of(line, postcode), number)

    evidence = Evidence(
        {user: known(row) for user, row in hospital.staff.items()},
        {patient: known(row) for patient, row in hospital.patients.items()},
        hospital.bookings,
        hospital.rosters,
    )
    alerts = snooping.daily(findings([View(*row) for row in hospital.views], evidence, least))
    first = {}
    for at, user, patient in hospital.views:
        first.setdefault((user, patient), at)
    late = {}
    for alert in alerts:
        pair = alert.view.user, alert.view.patient
        if pair in hospital.truth:
            late.setdefault(pair, (alert.view.at - first[pair]) / DAY)
    false = sum((alert.view.user, alert.view.patient) not in hospital.truth for alert in alerts)
    kinds = Counter(hospital.truth.values())
    hits = Counter(hospital.truth[pair] for pair in late)
    per_day = Counter(alert.view.at // DAY for alert in alerts)
    return {
        "recall": len(late) / len(hospital.truth), "false a day": false / DAYS, "alerts a day": len(alerts) / DAYS,
        "most in a day": max(per_day.values()), "days to alert": sorted(late.values()),
        "by kind": {kind: f"{hits[kind]}/{count}" for kind, count in kinds.items()},
    }  # fmt: skip


# Measured on seeds 1 to 3: by default 43 to 51 % of those planted at 0.8 false alarms a day; with 50 alerts a day 80 to
# 84 % at 48.
FLOORS = {snooping.LEAST: (0.42, 1.0), 1: (0.79, 49.0)}


@pytest.mark.hazard("HZ-ACCESS-48")
@pytest.mark.parametrize(("least", "recall", "false_alarms"), [(least, *floor) for least, floor in FLOORS.items()])
def test_the_rules_find_planted_snoopers_at_fifty_alerts_a_day(least, recall, false_alarms):
    outcome = measured(1, least)
    print(outcome)
    assert outcome["recall"] >= recall and outcome["false a day"] <= false_alarms and outcome["most in a day"] <= 50
    assert outcome["days to alert"][len(outcome["days to alert"]) // 2] < 1, "half of them on the day they began"
    assert outcome["by kind"]["themselves"] == "6/6" and outcome["by kind"]["household"] == "8/8"


def test_what_is_planted_and_the_rules_share_no_word():
    names = {word for name in snooping.WORDS for word in name.split("-")}
    assert not names & {word for kind in snoopers.KINDS for word in kind.split()}


ME = Known("greenham", "1 high street|ls14ab", "9990000018")
PLAIN = Known("other", "2 low road|ls14ab", "9990000026")
AT = 20_000 * DAY
VISIT = [(AT, AT + DAY)]
CASES = {
    "own record, visit or not": (ME, VISIT, None, 1, ("own-record", "same-address", "same-surname")),
    "an address alone": (replace(PLAIN, address=ME.address), VISIT, None, 1, ("same-address",)),
    "a rare surname and a visit": (replace(PLAIN, surname="greenham"), VISIT, None, 1, ()),
    "a rare surname, no visit": (replace(PLAIN, surname="greenham"), [], None, 1, ("same-surname", "no-attendance")),
    "no visit alone": (PLAIN, [], None, 1, ()),
    "no visit, on shift": (PLAIN, [], [(AT, AT + DAY)], 1, ()),
    "no visit, off shift": (PLAIN, [], [(0, 1)], 1, ("no-attendance", "off-shift")),
    "off shift with a visit": (PLAIN, VISIT, [(0, 1)], 1, ()),
    "two days without a visit": (PLAIN, [], None, 2, ()),
    "three days without a visit": (PLAIN, [], None, 3, ("repeat-views", "no-attendance")),
    "a visit long ago": (replace(PLAIN, surname="greenham"), [(0, AT - 15 * DAY)], None, 1, ("same-surname", "no-attendance")),
    "nothing is known of the person": (Known(), VISIT, None, 1, ()),
}  # fmt: skip


@pytest.mark.parametrize(("person", "visits", "shifts", "days", "relations"), CASES.values(), ids=CASES)
def test_a_rule_is_met_by_what_it_says_alone(person, visits, shifts, days, relations):
    evidence = Evidence({"u": ME}, {"p": person}, {"p": visits}, {} if shifts is None else {"u": shifts})
    views = [View(AT + day * DAY, "u", "p") for day in range(days)]
    last = [finding for finding in findings(views, evidence) if finding.view.at == views[-1].at]
    assert [finding.relations for finding in last] == ([relations] if relations else [])


def test_a_day_has_so_many_alerts_and_the_weightiest_come_first():
    heavy, light = Finding(View(AT + 5, "u", "p"), ("own-record",), 10), Finding(View(AT, "u", "q"), ("off-shift",), 4)
    assert snooping.daily([light, heavy]) == [heavy, light] and snooping.daily([light, heavy], 1) == [heavy]

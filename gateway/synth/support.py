"""Journeys with the council: requests, assessments, services and reviews."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from random import Random

from gateway.synth.draw import chance
from gateway.synth.life import Life
from gateway.synth.truth import Course, Entry, Problem, Story, Support

NURSING, FROM_COUNCIL = "12", "10"
"""Kind of team and source of referral, as codes of the Community Services Data Set; written from memory."""


def reablement(home: date, life: Life, draw: Random) -> Story:
    """The council's short-term support after a discharge, and what it led to."""
    start = home + timedelta(days=2)
    ends = start + timedelta(days=draw.randint(28, 42))
    reason = {"reason": "Physical support: Access and mobility only"}
    events = [
        Support(
            "Request",
            home,
            home + timedelta(days=1),
            "Progress to reablement/ST-Max",
            {"route": "Discharge from Hospital", **reason},
        ),
        Support(
            "Service",
            start,
            ends,
            words={"type": "Short term support: ST-Max", "component": "Reablement", "cost": "18.40", **reason},
        ),
        Support(
            "Assessment",
            ends,
            ends + timedelta(days=5),
            "NFA: Support ended as planned",
            {"assessment": "Short Term Assessment", **reason},
        ),
    ]
    return Story(
        support=tuple(
            event for event in events if event.start <= life.end and (event.end is None or event.end <= life.end)
        )
    )


def frailty(life: Life, draw: Random) -> Story:
    """Severe frailty, long-term care from the council, reviewed each year."""
    since = life.ago(draw, 3, 1.3)
    entries = [Entry("frailty", "severe frailty", since, problem=Problem())]
    if chance(draw, 0.4):
        entries.append(Entry("frailty.dementia", "dementia", life.ago(draw, 3, 1), problem=Problem()))
    asked = since + timedelta(days=draw.randint(5, 40))
    agreed = asked + timedelta(days=draw.randint(10, 40))
    home = chance(draw, 0.7)
    reason = {"reason": "Physical Support: Personal care support" if home else "Support with memory and cognition"}
    service = (
        {
            "type": "Long term support: Community",
            "component": "Home support or domiciliary care",
            "cost": "22.50",
            "units": "10.5",
        }
        if home
        else {
            "type": "Long term support: Residential care",
            "component": "Long term residential care",
            "cost": "890.00",
            "per": "Weekly",
        }
    )
    support = [
        Support(
            "Request",
            asked,
            asked + timedelta(days=2),
            "Progress to assessment, review or reassessment",
            {"route": "Community / Other route", **reason},
        ),
        Support(
            "Assessment",
            asked + timedelta(days=3),
            agreed,
            "Progress to support planning or services",
            {"assessment": "Long Term Assessment", "eligible": "Yes", **reason},
        ),
        Support("Service", agreed + timedelta(days=3), None, words={**service, **reason}, forgotten=chance(draw, 0.1)),
    ]
    reviewed = agreed + timedelta(days=300)
    while reviewed + timedelta(days=8) <= life.end:
        support.append(
            Support(
                "Review",
                reviewed,
                reviewed + timedelta(days=8),
                "Continuation of support or services",
                {"review": "Planned", **reason},
            )
        )
        reviewed += timedelta(days=330)
    nurse = Course("frailty.nurse", agreed, NURSING, FROM_COUNCIL, tuple(visits(agreed, life)))
    return Story(entries=tuple(entries), support=tuple(support), courses=(nurse,))


def visits(since: date, life: Life) -> Iterator[datetime]:
    """Yield the community nurse's visits of the last four months: each week, at a quarter past ten."""
    on = max(since + timedelta(days=7), life.end - timedelta(days=120))
    while on <= life.end:
        yield datetime.combine(on, time(10, 15))
        on += timedelta(days=7)


def contact(life: Life, draw: Random) -> Story:
    """A light touch by the council: a request, and equipment or advice."""
    asked = life.ago(draw, 1, 0.3)
    reason = {"reason": "Physical support: Access and mobility only"}
    advised = chance(draw, 0.5)
    outcome = "NFA: Information and advice or signposting" if advised else "Progress to support planning or services"
    events = [
        Support("Request", asked, asked + timedelta(days=3), outcome, {"route": "Community / Other route", **reason})
    ]
    if not advised:
        delivered = asked + timedelta(days=12)
        words = {"type": "Short term support: Other short term", "component": "Equipment", **reason}
        events.append(Support("Service", delivered, delivered + timedelta(days=1), words=words))
    return Story(support=tuple(events))


def caring(life: Life, draw: Random) -> Story:
    """The person cares for someone: an assessment of the carer, and support for them. Whom they care for is not
    said."""
    asked = life.ago(draw, 1.5, 0.4)
    cares = {"client": "Unpaid carer", "reason": "Social support: Support to unpaid carer"}
    hours = {"hours": draw.choice(("1 to 19 hours", "20 to 34 hours", "35 to 49 hours")), "cared for": "1"}
    done = asked + timedelta(days=draw.randint(2, 25))
    assessed = {"assessment": "Long Term Assessment", "method": "Carer only", **hours, **cares}
    service = {
        "type": "Unpaid carer support: Direct to unpaid carer",
        "component": "Other unpaid carer support",
        **cares,
    }
    return Story(
        support=(
            Support("Assessment", asked, done, "Progress to support planning or services", assessed),
            Support("Service", done + timedelta(days=5), done + timedelta(days=95), words=service),
        )
    )

"""The sentences of the golden cases as code: one form a row. A sentence of no known form is a fault of the case."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

from gateway.fhir.build import resource
from gateway.nhs.roles import SOCIAL
from gateway.nhs.summary.record import Record
from gateway.summary.document import summary_bundle
from gateway.summary.page import summary_page
from tests.nhs.records import (
    ALL,
    COUNCIL,
    FORMER,
    HL7,
    KIND,
    NOW,
    PRACTICE,
    TRUST,
    allergy,
    coded,
    condition,
    held,
    issue,
    nil,
    patient,
    plan,
    record,
    result,
    service,
    statement,
)

SOURCES = {"the practice": PRACTICE, "the former practice": FORMER, "the hospital": TRUST, "the council": COUNCIL}
RIGHTS = {"a clinician": ALL, "a social worker": frozenset(SOCIAL), "who may not see alerts": ALL - {"alerts"}}
TAKEN_OFF_PAPER = re.compile(r"\.(safeguarding)[ ,{]")


@dataclass
class Given:
    """What the sources hold, as the sentences say it one by one."""

    items: list = field(default_factory=list)
    changes: dict = field(default_factory=dict)
    practice: bool = True
    registered: bool = True
    deaths: dict = field(default_factory=dict)
    silent: dict = field(default_factory=dict)

    def add(self, source: str, made: dict) -> None:
        self.items.append(held(made, SOURCES[source]))

    @property
    def next_id(self) -> str:
        return f"x{len(self.items)}"

    def record(self, rights: frozenset[str]) -> Record:
        others = sorted(({item.publisher for item in self.items} | self.deaths.keys()) - {PRACTICE})
        people = [held(patient(), PRACTICE)] if self.practice else []
        people += [held({**patient(), "id": f"p-{KIND[name]}", **self.deaths.get(name, {})}, name) for name in others]
        registered = (PRACTICE,) if self.practice and self.registered else ()
        made = record(*self.items, patients=tuple(people), registered=registered)
        heard = tuple(
            replace(source, last_received=self.silent.get(source.name, source.last_received))
            for source in made.contributions
        )
        return replace(made, sections=rights, contributions=heard, **self.changes)


def _course(given: Given, source: str, name: str, course: str, since: str) -> None:
    kind = "acute" if course == "an acute" else "continuous"
    given.add(source, plan(given.next_id, name, kind, authoredOn=since, medicationCodeableConcept={"text": name}))


def _stopped(given: Given, source: str, name: str, end: str) -> None:
    made = plan(given.next_id, name, status="stopped", medicationCodeableConcept={"text": name})
    given.add(source, made)
    given.add(source, statement(given.next_id, made["id"], end, medicationCodeableConcept={"text": name}))


def _admitted(given: Given, source: str, ward: str, start: str, reason: str) -> None:
    given.add(source, resource(
        "Encounter", given.next_id, status="in-progress", period={"start": start}, reasonCode=[{"text": reason}],
        location=[{"location": {"display": ward}}], **{"class": {"system": HL7 + "v3-ActCode", "code": "IMP", "display": "Inpatient"}},
    ))  # fmt: skip


def _entry(given: Given, source: str, concept: dict, on: str) -> None:
    given.add(source, resource("Observation", given.next_id, status="final", code=concept, effectiveDateTime=on))


def _alert(given: Given, source: str, category: str, words: str, on: str) -> None:
    given.add(source, resource(
        "Flag", given.next_id, status="active", category=[{"text": category}], code={"text": words}, period={"start": on}
    ))  # fmt: skip


def _last_issued(given: Given, source: str, name: str, since: str, on: str) -> None:
    built = plan(given.next_id, name, authoredOn=since, medicationCodeableConcept={"text": name})
    given.add(source, built)
    given.add(source, issue(given.next_id, built["id"], on, medicationCodeableConcept={"text": name}))


def _measured(given: Given, source: str, name: str, *said: str, **more) -> None:
    """A value of a laboratory: value, unit, day, and a range where there is one. "<" before a value is a bound."""
    value, unit, on, *limits = said
    bound = {"comparator": value[0]} if value[0] in "<>" else {}
    quantity = {"value": Decimal(value.lstrip("<>")), "unit": unit, **bound}
    ends = dict(zip(("low", "high"), ({"value": Decimal(limit)} for limit in limits)))
    about = {
        "valueQuantity": quantity,
        "effectiveDateTime": f"{on}T09:00:00+00:00",
        "referenceRange": [ends] if ends else [],
        **more,
    }
    given.add(source, result(given.next_id, None, words=name, code=name, **about))


def _many(given: Given, source: str, name: str, times: str) -> None:
    for number in range(int(times)):
        _measured(given, source, name, f"7.{number}", "mmol/L", f"2026-03-{number % 14 + 1:02d}")


def _not_given(given: Given, source: str, name: str, on: str, reason: str) -> None:
    given.add(source, resource(
        "Immunization", given.next_id, status="not-done", vaccineCode={"text": name}, occurrenceDateTime=on, statusReason={"text": reason}
    ))  # fmt: skip


def _of_a_carer(given: Given, source: str, words: str, on: str) -> None:
    carer = {"url": "urn:nhs-record-gateway:cld:client-type", "valueCodeableConcept": {"text": "Unpaid carer"}}
    built = service(given.next_id, as_at=on, type=[{"text": words}])
    given.add(source, {**built, "extension": [*built["extension"], carer]})


def _withheld_allergy(given: Given) -> None:
    given.changes |= {"withheld": True, "withheld_items": frozenset({("allergies", PRACTICE)})}


SOURCE = "(the practice|the former practice|the hospital|the council)"
GIVEN: dict[str, Callable] = {
    rf'{SOURCE} recorded the allergy "(.+)" on (\S+)': lambda given, who, words, on: given.add(
        who, allergy(given.next_id, words, onsetDateTime=on)
    ),
    rf"{SOURCE} recorded that no allergy is known": lambda given, who: given.add(who, nil(given.next_id)),
    rf'{SOURCE} recorded the problem "(.+)" on (\S+)': lambda given, who, words, on: given.add(
        who, condition(given.next_id, words, onsetDateTime=on)
    ),
    rf'{SOURCE} recorded the code (\d+) "(.+)" on (\S+)': lambda given, who, code, words, on: _entry(
        given, who, coded(words, code), on
    ),
    rf'{SOURCE} recorded in words "(.+)" on (\S+)': lambda given, who, words, on: _entry(given, who, {"text": words}, on),
    rf'{SOURCE} prescribes "(.+)" as (a repeat|an acute) since (\S+), uncoded': _course,
    rf'{SOURCE} stopped the repeat "(.+)" on (\S+)': _stopped,
    rf'{SOURCE} did the procedure "(.+)" on (\S+)': lambda given, who, words, on: given.add(
        who, resource("Procedure", given.next_id, status="completed", code={"text": words}, performedDateTime=on)
    ),
    rf'{SOURCE} admitted the person to "(.+)" on (\S+) for "(.+)"': _admitted,
    rf'{SOURCE} said that "(.+)" was active on (\S+)': lambda given, who, words, on: given.add(
        who, service(given.next_id, as_at=on, type=[{"text": words}])
    ),
    rf'{SOURCE} set the safeguarding alert "(.+)" on (\S+)': lambda given, who, words, on: _alert(
        given, who, "Safeguarding", words, on
    ),
    rf'{SOURCE} set the alert "(.+)" on (\S+)': lambda given, who, words, on: _alert(given, who, "Alert", words, on),
    rf'{SOURCE} recorded in words the allergy "(.+)" on (\S+)': lambda given, who, words, on: given.add(
        who, allergy(given.next_id, concept={"text": words}, onsetDateTime=on)
    ),
    rf'{SOURCE} recorded that the allergy "(.+)" is resolved, from (\S+)': lambda given, who, words, on: given.add(
        who, allergy(given.next_id, words, clinical="resolved", onsetDateTime=on)
    ),
    rf'{SOURCE} prescribes "(.+)" as a repeat since (\S+), last issued on (\S+)': _last_issued,
    rf'{SOURCE} prescribes "(.+)" since (\S+), to be taken "(.+)"': lambda given, who, name, since, dose: given.add(
        who, plan(given.next_id, name, authoredOn=since, dosageInstruction=[{"text": dose}])
    ),
    rf'{SOURCE} ended the problem "(.+)" on (\S+)': lambda given, who, words, on: given.add(
        who, condition(given.next_id, words, "inactive", abatementDateTime=on)
    ),
    rf'{SOURCE} suspects the problem "(.+)"': lambda given, who, words: given.add(
        who, condition(given.next_id, words, verification="provisional")
    ),
    rf'{SOURCE} ruled out the problem "(.+)"': lambda given, who, words: given.add(
        who, condition(given.next_id, words, verification="refuted")
    ),
    rf'{SOURCE} measured "(.+)" as (\S+) (\S+) on (\S+)': _measured,
    rf'{SOURCE} measured "(.+)" as (\S+) (\S+) on (\S+), with the range (\S+) to (\S+) and no flag': _measured,
    rf'{SOURCE} corrected "(.+)" to (\S+) (\S+) on (\S+)': lambda given, *said: _measured(
        given, *said, status="corrected"
    ),
    rf'{SOURCE} measured "(.+)" (\d+) times in March 2026': _many,
    rf'{SOURCE} did not give the vaccine "(.+)" on (\S+): "(.+)"': _not_given,
    rf'{SOURCE} met a carer, whose "(.+)" was active on (\S+)': _of_a_carer,
    rf'{SOURCE} said that the person died on (\S+)': lambda given, who, on: given.deaths.update(
        {SOURCES[who]: {"deceasedDateTime": on}}
    ),
    rf'{SOURCE} has sent nothing for (\d+) days': lambda given, who, days: given.silent.update(
        {SOURCES[who]: NOW - timedelta(days=int(days))}
    ),
    "the person is registered with no practice now": lambda given: setattr(given, "registered", False),
    "a record of another source may be of somebody else": lambda given: given.changes.update(mismatch=True),
    "no practice contributes": lambda given: setattr(given, "practice", False),
    "something is withheld": lambda given: given.changes.update(withheld=True),
    "an allergy of the practice is withheld": _withheld_allergy,
}  # fmt: skip
"""THE TABLE of what may be given."""


class Shown:
    """What a reader has: the page as text by heading, the page on paper, and the words of the document."""

    def __init__(self, made: Record):
        self.page = summary_page(made)
        off_paper = re.sub(r'<details class="safeguarding">.*?</details>', "", self.page, flags=re.DOTALL)
        self.words, self.paper = _words(self.page), _words(off_paper)
        sections = summary_bundle(made)["entry"][0]["resource"]["section"]
        self.document = " ".join(_words(section["text"]["div"]) for section in sections)

    def under(self, heading: str) -> str:
        """The words under one heading: of an item of the card, or of a whole section."""
        title = re.escape(html.escape(heading))
        item = re.search(rf"<h3>{title}</h3>(.*?)</div>\s*</div>", self.page, re.DOTALL)
        section = re.search(rf"<h2[^>]*>{title}(?: \(.*?\))?</h2>(.*?)</section>", self.page, re.DOTALL)
        found = item or section
        assert found, f"no heading {heading}"
        return _words(found[1])


def _words(markup: str) -> str:
    return (
        " ".join(html.unescape(re.sub(r"<[^>]+>", " ", markup)).replace("\u00a0", " ").split())
        .replace(" ,", ",")
        .replace(" :", ":")
    )


def _stands(shown: Shown, heading: str, said: str) -> bool:
    return said in shown.under(heading)


THEN: dict[str, Callable[..., bool]] = {
    'under "(.+?)" stands "(.+)" once': lambda shown, heading, said: shown.under(heading).count(said) == 1,
    'under "(.+?)" stands "([^"]+)"': _stands,
    'under "(.+?)" does not stand "([^"]+)"': lambda shown, heading, said: not _stands(shown, heading, said),
    'under "(.+?)" "(.+)" stands before "(.+)"': lambda shown, heading, first, then: (
        -1 < shown.under(heading).find(first) < shown.under(heading).find(then)
    ),
    'on the page stands "(.+)"': lambda shown, said: said in shown.words,
    'nowhere stands "(.+)"': lambda shown, said: said not in shown.words and said not in shown.document,
    'on paper nowhere stands "(.+)"': lambda shown, said: said not in shown.paper,
    'in the document nowhere stands "(.+)"': lambda shown, said: said not in shown.document,
}  # fmt: skip
"""THE TABLE of what may be asked."""


def told(given: list[str], when: str) -> Shown:
    """What a reader is shown of what was given."""
    held_ = Given()
    for sentence in given:
        _step(GIVEN, sentence)(held_)
    who, _, _ = when.partition(" opens the shared record")
    return Shown(held_.record(RIGHTS[who]))


def is_so(shown: Shown, sentence: str) -> bool:
    """Whether a sentence is true of what is shown."""
    return bool(_step(THEN, sentence)(shown))


def _step(forms: dict[str, Callable], sentence: str) -> Callable:
    for form, act in forms.items():
        if match := re.fullmatch(form, sentence):
            return lambda first: act(first, *match.groups())
    raise AssertionError(f"a sentence of no known form: {sentence}")

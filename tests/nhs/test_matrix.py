"""The access decision against an oracle of plain Python, over role × activity × organisation × scope × act × type ×
person × choice × label; and that taking a right away never shows more."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.fhir import params
from gateway.nhs import access, labels, roles
from gateway.nhs.decision import Act, Facts, PatientFact, Permission
from gateway.nhs.roles import Caller
from tests.nhs import oracle
from tests.nhs.oracle import Item, Person, Question

GP, TRUST, COUNCIL, OTHER = 10, 20, 30, 40
ODS = {GP: "A99001", TRUST: "RZZ", COUNCIL: "990", OTHER: "A99002"}
KIND = {GP: "gp", TRUST: "hospital", COUNCIL: "social-care", OTHER: "gp"}
NOW = 1_700_000_000_000_000
BITS = {
    "confidential": labels.CONFIDENTIAL, "not-to-patient": labels.NOT_TO_PATIENT, "sensitive": labels.SENSITIVE, "linked": labels.LINKED,
    "unclassified": labels.UNCLASSIFIED, "service": labels.SERVICE, "legal": labels.LEGAL, "restricted": labels.RESTRICTED,
    "withheld": labels.WITHHELD, "objection": labels.OBJECTION, "dissent": labels.SUMMARY_DISSENT, "core-only": labels.SUMMARY_CORE_ONLY,
    "blanked": labels.BLANKED,
}  # fmt: skip
TYPES = sorted(set(params.PATIENT_TYPES) | {"Patient"})
ACTS = ("read", "vread", "search", "history", "everything", "summary", "shared")
SCOPES = (
    None, (("*", "rs"),), (("*", "r"),), (("*", "cruds"),), (), (("Patient", "rs"),), (("Patient", "rs"), ("Observation", "rs"), ("AllergyIntolerance", "rs")),
    (("Patient", "rs"), ("Observation", "r"), ("Observation", "s")), (("*", "r"), ("Patient", "s"), ("MedicationRequest", "s")),
    (("Patient", "rs"), ("MedicationRequest", "rs"), ("MedicationStatement", "rs")),
)  # fmt: skip
often = st.sampled_from([True, True, True, False])
rarely = st.sampled_from([False, False, False, True])


def subset(values):
    return st.frozensets(st.sampled_from(values))


@st.composite
def people(draw, own):
    """Up to four Patients of one person, each another publisher's; most often one of the caller's own organisation."""
    others = draw(st.permutations(sorted(set(ODS) - own)))[: draw(st.sampled_from([2, 3, 1, 0]))]
    marks = st.sampled_from([(), (), (), ("restricted",), ("objection",), ("dissent",), ("core-only",), ("core-only", "objection")])  # fmt: skip
    return tuple(
        Person(f"p{key}", key, ODS[key], KIND[key], registered=draw(st.booleans()) and KIND[key] == "gp", attending=draw(often), deceased=draw(rarely) and draw(rarely),
               claimed=draw(rarely), marks=frozenset(draw(marks)))
        for key in [*(sorted(own) if draw(often) else ()), *others]
    )  # fmt: skip


@st.composite
def questions(draw):
    """Three of four get past what depends on the caller alone."""
    is_any = draw(rarely)
    key = draw(st.sampled_from([*ODS, 0] if is_any else list(ODS)))
    organisation = ODS.get(key, "")
    launched = draw(st.sampled_from(["", "", "", "", f"p{GP}", "nobody"]))
    scopes = SCOPES if is_any else (SCOPES[1], SCOPES[3], SCOPES[1]) if launched else (None, None, SCOPES[1], SCOPES[6])
    strangers = (Person("stranger", OTHER, ODS[OTHER], "gp", marks=frozenset({draw(st.sampled_from(["restricted", "dissent", "objection"]))})),)  # fmt: skip
    role = draw(
        st.sampled_from(
            ["R8000", "R8001", "R1290", "R8014", "R8009", "R0001", "R8004", "R9999", ""]
            if is_any
            else ["R8000", "R1290", "R8014"]
        )
    )
    act = draw(st.sampled_from(ACTS))
    permission = draw(st.sampled_from([(organisation, True, True), (organisation, True, True), None, (organisation, False, True),
                                       (organisation, True, False), ("RXX", True, True)]))  # fmt: skip
    return Question(
        role=role,
        activities=draw(subset(["B0370", "B0360", "B0380", "B0820", "B0011", "B9999"])) if is_any else frozenset({"B0370", "B0360", "B0820", "B0011"}),
        organisation=organisation, scopes=draw(st.sampled_from(scopes)), launched=launched, act=act,
        type="Patient" if act in (*oracle.VIEWS, "everything") else draw(st.sampled_from(TYPES if is_any else ["Observation", "MedicationRequest", "Patient"])),
        by_number=draw(st.booleans()),
        people=draw(people(frozenset({key} & set(ODS)))), claimants=strangers if draw(rarely) else (), several=draw(rarely) and draw(st.booleans()),
        own=frozenset({key} & set(ODS)), active=frozenset(ODS) - (draw(subset(list(ODS))) if draw(rarely) else frozenset()),
        permission=permission, recorded=draw(st.booleans()), consented=draw(rarely), claim=draw(st.sampled_from([None, None, permission])),
        claimed=draw(rarely), refused=draw(rarely),
    )  # fmt: skip


@st.composite
def items(draw):
    key = draw(st.sampled_from(list(ODS)))
    marks = frozenset({draw(st.sampled_from(sorted(BITS)))} if draw(st.booleans()) else ()) | (draw(subset(sorted(BITS))) if draw(rarely) else frozenset())  # fmt: skip
    return Item(draw(st.sampled_from(TYPES)), key, KIND[key], marks)


def bits(marks) -> int:
    return sum(BITS[mark] for mark in marks)


def caller_of(asked: Question) -> Caller:
    level = "patient" if asked.launched else "user"
    scopes = (
        None if asked.scopes is None else frozenset(f"{level}/{type_}.{letters}" for type_, letters in asked.scopes)
    )
    return Caller("u", "n", asked.organisation, asked.role, asked.activities, scopes=scopes, patient=asked.launched)


def facts_of(asked: Question) -> Facts:
    def fact(number: int, person: Person) -> PatientFact:
        grade = "claimed" if person.claimed else "verified"
        return PatientFact(person.id, number, person.publisher, person.ods, person.kind, bits(person.marks), grade,
                           person.registered, person.attending, person.deceased)  # fmt: skip

    known = tuple(fact(number, person) for number, person in enumerate(asked.people, 1))
    wide = tuple(fact(number, person) for number, person in enumerate(asked.claimants, 50))
    recorded = asked.permission and Permission(
        "permission" if asked.permission[2] else "curiosity", NOW + (1 if asked.permission[1] else -1), asked.permission[0]
    )  # fmt: skip
    claim = asked.claim and Permission(
        "emergency" if asked.claim[2] else "permission", NOW + (1 if asked.claim[1] else -1), asked.claim[0]
    )
    return Facts(
        known, (*known, *wide), (1, 2) if asked.several else (1,), asked.own, asked.active, recorded, False, (), NOW, asked.consented, asked.recorded,
        claim, asked.claimed, asked.refused,
    )  # fmt: skip


def decide(asked: Question) -> access.Decision:
    return access.decide(caller_of(asked), Act(asked.act, asked.type, asked.by_number), facts_of(asked))


def is_shown(decision: access.Decision, item: Item) -> bool:
    """What the store does with limits."""
    return decision.refusal is None and any(
        item.type in allow.types and item.publisher in allow.publishers and (allow.kinds is None or item.kind in allow.kinds)
        and not allow.hidden & bits(item.marks)
        for allow in decision.limits.allow
    )  # fmt: skip


def agrees(asked: Question, shown: list[Item]) -> None:
    decision = decide(asked)
    assert (decision.refusal.code if decision.refusal else None) == oracle.refusal(asked)
    for item in shown:
        assert is_shown(decision, item) == oracle.shows(asked, item), item
    past = decision.limits.history or frozenset()
    assert past <= asked.own & asked.active, "superseded versions are their own organisation's"


def less(asked: Question) -> list[Question]:
    """The question with one right less, or one choice more: each must show no more."""
    fewer = [replace(asked, activities=asked.activities - {activity}) for activity in asked.activities]
    fewer += [
        replace(asked, scopes=asked.scopes[:place] + asked.scopes[place + 1 :])
        for place in range(len(asked.scopes or ()))
    ]
    fewer += [replace(asked, scopes=scopes) for scopes in SCOPES[1:] if asked.scopes is None]
    fewer += [replace(asked, active=asked.active - {key}) for key in asked.active]
    fewer += [
        replace(asked, permission=None),
        replace(asked, claim=None),
        replace(asked, consented=False),
        replace(asked, several=True),
        replace(asked, organisation=""),
    ]
    for place, person in enumerate(asked.people):
        changed = [
            replace(person, attending=False),
            replace(person, registered=False),
            replace(person, claimed=True),
            replace(person, deceased=True),
        ]
        changed += [
            replace(person, marks=person.marks | {mark}) for mark in ("restricted", "objection", "dissent", "core-only")
        ]
        fewer += [
            replace(asked, people=(*asked.people[:place], other, *asked.people[place + 1 :])) for other in changed
        ]
    return fewer


def never_more(asked: Question, shown: list[Item]) -> None:
    whole = decide(asked)
    for narrower in less(asked):
        decision = decide(narrower)
        for item in shown:
            assert is_shown(whole, item) or not is_shown(decision, item), (narrower, item)
    for item in shown:
        for mark in ("confidential", "sensitive", "withheld", "legal", "restricted"):
            assert is_shown(whole, item) or not is_shown(whole, replace(item, marks=item.marks | {mark}))


CHECKS = {"as the oracle says": agrees, "less is never more": never_more}
QUIET = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)


@pytest.mark.hazard("HZ-ACCESS-35")
@pytest.mark.parametrize("check, examples", [(agrees, 300), (never_more, 40)], ids=CHECKS)
def test_the_decision_is_the_oracles(check, examples):
    settings(max_examples=examples, deadline=None, suppress_health_check=QUIET)(
        given(questions(), st.lists(items(), min_size=4, max_size=8))(check)
    )()


@pytest.mark.slow
@pytest.mark.parametrize("check, examples", [(agrees, 10_000), (never_more, 2_000)], ids=CHECKS)
def test_ten_thousand_decisions_are_the_oracles(check, examples):
    settings(max_examples=examples, deadline=None, suppress_health_check=QUIET)(
        given(questions(), st.lists(items(), min_size=4, max_size=8))(check)
    )()


def test_the_oracle_knows_every_section_and_every_role_that_reads():
    """A row that governance adds is added here by hand, from what was signed."""
    assert {name: frozenset(held) for name, held in oracle.SECTIONS.items()} == roles.SECTION_TYPES
    reading = {role for rule in roles.RULES if rule.acts & (roles.RESOURCES | access.VIEWS) for role in rule.roles}
    alike = {
        "R8016": "R8000",
        "R0260": "R8000",
        "R8003": "R1290",
        "R8006": "R8009",
        "R8008": "R8009",
        "R8010": "R8009",
        "R5105": "R0001",
    }
    assert {alike.get(role, role) for role in reading} == {role for row in oracle.RIGHTS for role in row[0]}
    for role, other in alike.items():
        assert all((role in rule.roles) == (other in rule.roles) for rule in roles.RULES), role

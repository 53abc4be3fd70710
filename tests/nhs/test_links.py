"""Every row of the table of links, through the door: what a hidden item would be given away by is hidden with it."""

from collections.abc import Iterator

import pytest

from gateway import records
from gateway.care import Statement, permit
from gateway.errors import NotFound
from gateway.fhir import build, params
from gateway.fhir.r4 import table as r4
from gateway.nhs import leaving, links, roles, sandbox
from gateway.nhs.codesets import CodeSets
from gateway.nhs.links import LINKS, Link
from gateway.records import open_door
from gateway.store import resources
from gateway.store.database import open_store
from tests.api.people import ANN, EVERYTHING, on_the_ward, patient, registered, to, uid
from tests.schema import sqlite_url
from tests.toy import deliver, row, says

WARD = roles.caller_from_claims(sandbox.claims("dr-ward"))
READABLE = frozenset(params.PATIENT_TYPES)
FRONT = [link for link in LINKS if link.type in READABLE]
NO_ROUTE = [link for link in LINKS if link.type not in READABLE]
REQUIRED = {"relatesTo": {"code": "replaces"}}
"""What R4 requires beside the reference in the element that holds it."""
SIDES = ("holder", "target", "nobody")
"""Which of the two the source marks confidential."""


def name(link: Link) -> str:
    return f"{link.type}.{'.'.join(link.path)}"


def target_type(link: Link) -> str:
    """A type that the reference may lead to: one that would be removed rather than blanked, where there is one."""
    element = _element(link.type, link.path)
    allowed = (element.targets & READABLE) or ({"Observation"} if "extension" in link.path else READABLE)
    return min(allowed, key=lambda type_: (type_ in links.BLANKED_TYPES, type_ == link.type, type_))


def _element(type_: str, path: tuple[str, ...]) -> r4.Element:
    first, *rest = path
    (element,) = [each for each in r4.types()[type_].elements if first in each.names]
    return _element(element.names[first], tuple(rest)) if rest else element


def placed(type_: str, path: tuple[str, ...], reference: dict) -> dict:
    """The elements that hold a reference at the end of a path."""
    first, *rest = path
    (element,) = [each for each in r4.types()[type_].elements if first in each.names]
    value = placed(element.names[first], tuple(rest), reference) if rest else reference
    if first in REQUIRED:
        value = {**REQUIRED[first], **value}
    if first == "extension":
        value = {"url": "urn:test:link", **value}
    return {first: [value] if element.is_many else value}


def pair(number: int, link: Link, confidential: str) -> tuple[dict, dict]:
    """The resource that holds the reference and the one that it leads to, each otherwise as the example of its type."""
    at = 1000 + number * 10 + SIDES.index(confidential) * 2
    plain = {"holder": link.type, "target": target_type(link)}
    ids = {"holder": uid(at), "target": uid(at + 1)}
    pointing = placed(link.type, link.path, {"reference": f"{plain['target']}/{ids['target']}"})
    if link.type == "Provenance":  # of Ann, whatever else it is of; an entity says what it was to the act
        also = (
            {"target": [to("Patient", 1)], "entity": [{**pointing["entity"][0], "role": "source"}]}
            if "entity" in pointing
            else {}
        )
        pointing = also or {"target": [*pointing["target"], to("Patient", 1)]}
    made = []
    for side, type_ in plain.items():
        without = {key: value for key, value in EVERYTHING[type_].items() if key not in ("encounter", "result")}
        flag = {"security": ["R"]} if confidential == side else {}
        made.append({**without, "id": ids[side], **(pointing if side == "holder" else {}), **flag})
    return made[0], made[1]


def cases() -> Iterator[tuple[int, Link, str]]:
    for number, link in enumerate(FRONT):
        for confidential in SIDES:
            yield number, link, confidential


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    """Ann at her practice with every link three times, and on a ward that has her permission."""
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('links') / 'gateway.db'}", create="sandbox")
    rows = [row(f"{name(link)} {side}", *pair(number, link, side)) for number, link, side in cases()]
    deliver(store, [says("P1", 1, ods="A99001"), row("ann", patient(1, ANN, "Ames", "Ann"), registered(2, 1)), *rows])
    ward = row("ann", patient(31, ANN, "Ames", "Ann"), on_the_ward(33, 31), publisher="T")
    deliver(store, [says("T", 1, ods="RZZ"), ward], name="trust", kind="hospital")
    opened = open_door(store, CodeSets())
    permit(opened, WARD, Statement(ANN, "permission"), "r")
    yield opened
    opened.audit.close()
    store.close()


def shown(door, resource: dict) -> dict | None:
    """A resource as the ward reads it."""
    try:
        (found,) = records.read(door, WARD, resource["resourceType"], resource["id"], "r").open()
    except NotFound:
        return None
    return build.decode(found.body)


@pytest.mark.parametrize(
    "number, link", list(enumerate(FRONT)), ids=lambda value: name(value) if isinstance(value, Link) else ""
)
def test_a_link_does_what_its_row_says(door, number, link):
    holder, target = pair(number, link, "nobody")
    assert to_is_kept(shown(door, holder), link) and shown(door, target), "without a flag both are shown"
    holder, target = pair(number, link, "target")
    assert shown(door, target) is None
    read = shown(door, holder)
    if not link.referrer:
        assert read
    elif link.type in links.BLANKED_TYPES:
        assert read and link.path[0] not in read
    else:
        assert read is None
    holder, target = pair(number, link, "holder")
    assert shown(door, holder) is None
    read = shown(door, target)
    is_removed = link.target and target["resourceType"] not in links.BLANKED_TYPES
    assert (read is None) if is_removed else read


def to_is_kept(read: dict | None, link: Link) -> bool:
    return read is not None and link.path[0] in read


@pytest.mark.parametrize("link", list(NO_ROUTE), ids=name)
def test_a_link_of_a_type_that_is_not_served_does_what_its_row_says_to_labels(link):
    reference = to(target := "Observation", 2)
    holder = {"resourceType": link.type, "id": uid(1), **placed(link.type, link.path, reference)}
    items = [holder, {"resourceType": target, "id": uid(2)}]
    for labelled, other, effect in ((1, 0, link.referrer), (0, 1, link.target)):
        derived: dict[int, dict[int, str]] = {0: {}, 1: {}}
        own = [(key, item, 1 if key == labelled else 0) for key, item in enumerate(items)]
        links.spread(own, derived)
        assert bool(derived[other]) is bool(effect)


def test_every_row_is_of_an_element_that_is_a_reference_and_does_something():
    for link in LINKS:
        assert "Reference" in _element(link.type, link.path).names.values(), name(link)
        assert link.referrer or link.target, f"{name(link)} decides nothing"
    assert len({(link.type, link.path) for link in LINKS}) == len(LINKS)


# A course of a medicine: the authorisation, its issues, its statements


def medicine(type_: str, number: int, course: dict | None = None, element: str = "basedOn", flags=()) -> dict:
    """A medicine of Ann's, as her practice sends it."""
    without = {key: value for key, value in EVERYTHING[type_].items() if key != "encounter"}
    return {**without, "id": uid(number), "security": list(flags), **({element: [course]} if course else {})}


COURSES = {
    "issue": ("MedicationRequest", 9000, "basedOn"),
    "statement": ("MedicationStatement", 9000, "basedOn"),
    "statement derived from it": ("MedicationStatement", 9000, "derivedFrom"),
    "statement of an issue": ("MedicationStatement", 9001, "basedOn"),
}
"""A member of a course: its type, the resource that it refers to (9000 authorises, 9001 is an issue), by which
element."""


@pytest.fixture(params=["sqlite", "postgresql"])
def with_courses(request, tmp_path):
    """The door of a store in which Ann has a course of a medicine; ``flags`` are the source's on each member."""
    url = (
        sqlite_url(tmp_path / "gateway.db")
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_schema_url")
    )
    store = open_store(url, create="sandbox")

    def open_(flags: dict[int, list[str]]):
        plan = medicine("MedicationRequest", 9000, flags=flags.get(9000, ()))
        issued = medicine("MedicationRequest", 9001, to("MedicationRequest", 9000), flags=flags.get(9001, ()))
        members = [
            medicine(type_, 9002 + number, to("MedicationRequest", course), element)
            for number, (type_, course, element) in enumerate(COURSES.values())
        ]
        person = row("ann", patient(1, ANN, "Ames", "Ann"), registered(2, 1), plan, issued, *members)
        deliver(store, [says("P1", 1, ods="A99001"), person])
        ward = row("ann", patient(31, ANN, "Ames", "Ann"), on_the_ward(33, 31), publisher="T")
        deliver(store, [says("T", 1, ods="RZZ"), ward], name="trust", kind="hospital")
        permit(opened, WARD, Statement(ANN, "permission"), "r")
        return opened

    opened = open_door(store, CodeSets())
    yield open_
    opened.audit.close()
    store.close()


def of_course(number: int) -> dict:
    type_ = "MedicationRequest" if number < 9002 else list(COURSES.values())[number - 9002][0]
    return {"resourceType": type_, "id": uid(number)}


@pytest.mark.hazard("HZ-SUMMARY-25")
@pytest.mark.parametrize("flag", ["R", "NOPAT"])
def test_a_confidential_course_hides_everything_that_was_issued_or_stated_of_it(with_courses, flag):
    door = with_courses({9000: [flag]})
    members = [of_course(number) for number in range(9000, 9002 + len(COURSES))]
    assert [shown(door, member) for member in members] == [None] * len(members)
    practice = roles.caller_from_claims(sandbox.claims("dr-green"))
    for member in members:
        assert records.read(door, practice, member["resourceType"], member["id"], "r").open()
    with door.store.read() as session:
        for member in members:
            stored = resources.head_of(session, member["resourceType"], member["id"])
            assert stored and stored.labels & leaving.hidden(False), "in no release"


def test_a_flag_on_one_issue_withholds_that_issue_and_what_is_stated_of_it_only(with_courses):
    door = with_courses({9001: ["R"]})
    seen = [number for number in range(9000, 9002 + len(COURSES)) if shown(door, of_course(number))]
    assert seen == [9000, 9002, 9003, 9004]


def test_a_blanked_member_of_a_course_still_says_which_course_it_is_of():
    member = {**medicine("MedicationRequest", 1, to("MedicationRequest", 2)), "note": [{"text": "n"}]}
    other = {**member, "basedOn": [to("MedicationRequest", 2), to("CarePlan", 3)]}
    assert links.redact(member)["basedOn"] == links.redact(other)["basedOn"] == [to("MedicationRequest", 2)]
    assert "basedOn" not in links.redact({**member, "basedOn": [to("CarePlan", 3)]})

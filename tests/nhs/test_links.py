"""Every row of the table of links, through the door: what a hidden item would be given away by is hidden with it."""

from collections.abc import Iterator

import pytest

from gateway import records
from gateway.care import permit
from gateway.errors import NotFound
from gateway.fhir import build, params
from gateway.fhir.r4 import table as r4
from gateway.nhs import links, roles, sandbox
from gateway.nhs.codesets import CodeSets
from gateway.nhs.links import LINKS, Link
from gateway.records import open_door
from gateway.store.database import open_store
from tests.api.people import ANN, EVERYTHING, on_the_ward, patient, registered, to, uid
from tests.toy import deliver, row, says

WARD = roles.caller_from_claims(sandbox.claims("dr-ward"))
READABLE = frozenset(params.PATIENT_TYPES)
FRONT = [link for link in LINKS if link.type in READABLE]
NO_ROUTE = [link for link in LINKS if link.type not in READABLE]
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
    if first == "extension":
        value = {"url": "urn:test:link", **value}
    return {first: [value] if element.is_many else value}


def pair(number: int, link: Link, confidential: str) -> tuple[dict, dict]:
    """The resource that holds the reference and the one that it leads to, each otherwise as the example of its type."""
    at = 1000 + number * 10 + SIDES.index(confidential) * 2
    plain = {"holder": link.type, "target": target_type(link)}
    ids = {"holder": uid(at), "target": uid(at + 1)}
    pointing = placed(link.type, link.path, {"reference": f"{plain['target']}/{ids['target']}"})
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
    permit(opened, WARD, ANN, "permission", "", "r")
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

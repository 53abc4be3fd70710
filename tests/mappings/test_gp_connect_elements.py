"""Every element of every type changes a resource, or is named with the reason why it does not; measured on the
samples."""

import json
from functools import cache
from importlib import import_module

import pytest

from mappings import Feed, Group, Row
from mappings.gp_connect import MAKERS, SOURCE
from mappings.gp_connect.elements import LEFT, MAPPED, extension_name
from tests.mappings.harness import DictLook, keep
from tests.mappings.harness_gp_connect import SAMPLES, read

CASES = [(type_, element) for type_, elements in MAPPED.items() for element in sorted(elements)]
OF_ALL = {"id", "meta", "implicitRules", "language", "text", "contained", "extension", "modifierExtension"}
"""Elements of every resource: ids and flags are asked for elsewhere, a narrative is not taken."""


@cache
def _samples() -> tuple[tuple[str, str], ...]:
    return tuple((name, (SAMPLES / name).read_text(encoding="utf-8")) for name in ("record.json", "died_20240312.json"))


def _resources(document: dict) -> list[dict]:
    if document["resourceType"] == "Parameters":
        document = document["parameter"][0]["resource"]
    return [entry["resource"] for entry in document["entry"]]


def _rows(*documents: tuple[str, dict]) -> dict[tuple[str, str], Row]:
    """The rows of answers by table and key; of a reject there is none."""
    items = [item for name, document in documents for item in read(document, name)]
    return {(item.table, item.key): item for item in items if isinstance(item, Row)}


def _makes(rows: dict[tuple[str, str], Row], groups: set[str]) -> dict[str, str]:
    """What these groups make of the rows."""
    kept, made = keep(rows.values(), SOURCE), {}
    for key in groups:
        members = [row for row in kept.values() if key in row.groups]
        if members:
            look = DictLook(SOURCE, kept, "A99001", Feed())
            made[key] = str(SOURCE.to_fhir(Group(key, "A99001", tuple(members)), look))
    return made


def _is_read(documents: list[tuple[str, dict]]) -> bool:
    """Whether other answers than the samples make something else: of the rows that differ, or of those that look them
    up."""
    before, after = _before(), _rows(*documents)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    if any(name[0] in ("Whole", "Statement") for name in changed):
        return True
    rows = [row for name in changed for row in (before.get(name), after.get(name)) if row]
    groups = {key for row in rows for key in row.groups}
    if not groups or any(not row.groups for row in rows):
        groups = {key for row in (*before.values(), *after.values()) for key in row.groups}
    return _makes(before, groups) != _makes(after, groups)


def _without(type_: str, element: str) -> tuple[list[tuple[str, dict]], bool]:
    """The samples without an element of a type, and whether they have it."""
    documents, is_there = [(name, json.loads(text)) for name, text in _samples()], False
    for _, document in documents:
        for resource in _resources(document):
            if resource["resourceType"] != type_:
                continue
            if element.startswith("extension:"):
                nodes = resource.get("extension", [])
                kept = [node for node in nodes if extension_name(node["url"]) != element.removeprefix("extension:")]
                is_there |= len(kept) < len(nodes)
                resource["extension"] = kept
            else:
                is_there |= resource.pop(element, None) is not None
    return documents, is_there


@cache
def _before() -> dict[tuple[str, str], Row]:
    return _rows(*((name, json.loads(text)) for name, text in _samples()))


@pytest.mark.parametrize(("type_", "element"), CASES, ids=lambda part: part)
def test_an_element_that_is_mapped_changes_what_is_made(type_, element):
    documents, is_there = _without(type_, element)
    assert is_there or element in ALSO, "no sample has it"
    if is_there:
        assert _is_read(documents), "nothing reads it"


ALSO = {"extension:Evidence", "extension:DosageLastChanged"}
"""Other names of extensions that a sample has under one of them."""


@pytest.mark.parametrize("type_", sorted(MAPPED))
def test_every_element_of_the_standard_is_mapped_or_has_its_reason(type_):
    model = getattr(import_module(f"fhir.resources.STU3.{type_.lower()}"), type_)
    elements = {field.alias or name for name, field in model.model_fields.items()}
    elements = {name for name in elements if not name.startswith("_") and not name.endswith("__ext")}
    elements -= OF_ALL | {"resource_type", "resourceType", "fhir_comments"}
    assert elements - MAPPED[type_] - LEFT[type_].keys() == set()
    assert {name for name in MAPPED[type_] if ":" not in name} <= elements
    assert not MAPPED[type_] & LEFT[type_].keys() and all(len(reason) > 10 for reason in LEFT[type_].values())


def test_every_type_that_is_made_has_its_elements():
    assert MAKERS.keys() | {"Patient"} <= MAPPED.keys() and MAPPED.keys() == LEFT.keys()

"""R4's search expressions: each one compiles, and reads what an independent FHIRPath engine reads."""

import json
import re

import pytest

from gateway.fhir import build, index, params, token_index
from gateway.fhir.codes import hashes
from gateway.fhir.expression import compiled
from gateway.fhir.matching import by_composite, by_date, by_string, by_token
from gateway.fhir.matching.by_reference import written
from gateway.fhir.r4.defined import definitions
from tests.api.people import EVERYTHING

EXAMPLES = "data/fhir-r4-examples"
ROWS = [row for type_, rows in definitions().items() if type_ != "Resource" for row in rows.values()]
RESOLVES = {"RelatedPerson", "Patient", "Practitioner", "Location"}


def test_every_expression_of_the_table_compiles_and_so_does_each_part_of_a_composite():
    assert len(ROWS) > 440 and {row.type for row in ROWS} == set(params.SEARCHABLE)
    for row in ROWS:
        read = compiled(row.type, row.expression)
        for type_, _ in read(EVERYTHING[row.type]):
            for part in by_composite.components(row):
                compiled(type_, part.expression)


@pytest.mark.parametrize(
    "text", ["a.b(", "a.count()", "a + b", "a or b", "", "a.where(b", "a['b']", "Patient.name.last()"]
)
def test_what_the_compiler_does_not_understand_is_refused(text):
    with pytest.raises(ValueError, match=r"expression|invalid literal"):
        compiled("Patient", text)


CASES = [
    ("Patient", "Patient.deceased.exists() and Patient.deceased != false", {"deceasedDateTime": "2020"}, [True]),
    ("Patient", "Patient.deceased.exists() and Patient.deceased != false", {"deceasedBoolean": False}, [False]),
    ("Patient", "Patient.deceased.exists() and Patient.deceased != false", {}, [False]),
    ("Patient", "Patient.telecom.where(system='phone')", {"telecom": [{"system": "phone"}, {"system": "email"}]}, [{"system": "phone"}]),
    ("Task", "Task.for.where(resolve() is Patient)", {"for": {"reference": "Patient/p"}}, [{"reference": "Patient/p"}]),
    ("Task", "Task.for.where(resolve() is Patient)", {"for": {"reference": "Group/p"}}, []),
    ("Patient", "Patient.name[0].given", {"name": [{"given": ["a", "b"]}, {"given": ["c"]}]}, ["a", "b"]),
    ("Patient", "name.first().given.first()", {"name": [{"given": ["a", "b"]}, {"given": ["c"]}]}, ["a"]),
    ("Patient", "name.first()", {}, []),
    ("Patient", "Patient.extension('urn:x').value", {"extension": [{"url": "urn:x", "valueCode": "c"}, {"url": "urn:y"}]}, ["c"]),
    ("Observation", "value.as(DateTime)", {"valueDateTime": "2020"}, ["2020"]),
    ("Observation", "Observation.value.ofType(Quantity)", {"valueString": "2020"}, []),
]  # fmt: skip


@pytest.mark.parametrize("type_, text, resource, values", CASES)
def test_an_expression_reads_what_it_names(type_, text, resource, values):
    assert [value for _, value in compiled(type_, text)(resource)] == values


def indexed_values(row: params.Param, type_: str, resource: dict) -> set:
    """What a filter finds of a resource, as the index writes it."""
    definition = params.searchable(type_)[row.name]
    held = compiled(type_, definition.expression)(resource)
    match row.kind:
        case "token":
            return {frozenset(hashes(*pair)) for typed in held for pair in by_token.held(typed, "")}
        case "reference":
            return {frozenset({token_index.of_reference(row.number, written(typed))[1]}) for typed in held}
        case "string":
            return {(row.number, index.fold(text)) for typed in held for text in by_string.texts(typed)}
    return {interval for typed in held for interval in by_date.held(typed)}


@pytest.mark.parametrize("type_", params.SEARCHABLE)
def test_the_index_holds_what_r4_reads(type_):
    """Or the table says that it holds less, and then a filter answers."""
    resource = EVERYTHING[type_]
    entries = index.entries(resource)
    for row in params.indexed(type_).values():
        values = indexed_values(row, type_, resource)
        if row.kind in ("token", "reference"):
            held = {value for number, value in (*entries.tokens, *entries.globals) if number == row.number}
            assert held <= set().union(*values) and all(held & ways for ways in values) and values, row.name
        elif row.kind == "string":
            assert {entry for entry in entries.words if entry[0] == row.number} == values
        else:
            seconds = {(low, high) for number, low, high in entries.dates if number == row.number}
            assert values == ({(entries.low, entries.high)} if row.is_main_date(type_) else seconds) and values


def test_what_the_index_reads_otherwise_than_r4_is_in_a_table():
    choice = {"MedicationRequest", "MedicationStatement"}
    otherwise = {
        (type_, row.name)
        for row in params.PARAMS
        for type_, path in row.paths.items()
        if definitions()[type_][row.name].expression != f"{type_}.{path}"
        and not (row.name == "code" and type_ in choice)
    }
    assert otherwise == params.NARROWER | params.OURS.keys() | {("Condition", "onset-date")}


@pytest.mark.corpora
def test_values_are_those_that_another_engine_reads_in_the_official_examples(shared):
    fhirpathpy = pytest.importorskip("fhirpathpy")
    from fhirpathpy.models import models

    theirs = {}
    compared = 0
    for path in sorted((shared / EXAMPLES).glob("*.json")):
        body = path.read_bytes()
        plain, resource = json.loads(body), build.decode(body)
        for row in (row for row in ROWS if row.type == resource["resourceType"] and "resolve()" not in row.expression):
            text = row.expression
            written_so = re.sub(
                r"\(([\w.]+) as (\w+)\)|\.as\(", lambda m: f"{m[1]}.ofType({m[2]})" if m[1] else ".ofType(", text
            )
            theirs.setdefault(text, fhirpathpy.compile(written_so, models["r4"]))
            ours = [value for _, value in compiled(row.type, text)(resource)]
            if row.kind != "composite" and (row.name not in ("value-string", "name") or ours):
                other = theirs[text](plain)
                assert _plain(ours) == _plain(other), (path.name, row.name)
                compared += bool(ours)
    assert compared > 1000


def _plain(values: list) -> set[str]:
    """The values as a set: a union of FHIRPath has each once."""
    return {json.dumps(value, sort_keys=True, default=float) for value in values}

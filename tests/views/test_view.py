"""A ViewDefinition: what it reads of a resource, and what is refused."""

from decimal import Decimal

import pytest

from gateway.errors import Invalid
from gateway.views import boundary, path, view

PATIENT = {
    "resourceType": "Patient", "id": "p", "active": True, "birthDate": "1970-06",
    "name": [{"use": "official", "family": "A", "given": ["B", "C"]}, {"family": "D"}],
    "link": [{"other": {"reference": "Patient/q/_history/2"}}, {"other": {"reference": "#inside"}}],
}  # fmt: skip


def of(select: list, **more) -> view.View:
    return view.compiled({"resource": "Patient", "select": select, **more})


def columns(**paths: str) -> dict:
    return {"column": [{"name": name, "path": text, "type": "string"} for name, text in paths.items()]}


READ = [
    ("id", ["p"]),
    ("name.given", ["B", "C"]),
    ("name.first().given.first()", ["B"]),
    ("name.where(use = 'official').family", ["A"]),
    ("name.where(use.exists().not()).family", ["D"]),
    ("name.given.count()", [2]),
    ("name.given.join('-')", ["B-C"]),
    ("telecom.value.join('-')", [""]),
    ("getResourceKey()", ["p"]),
    ("link.other.getReferenceKey(Patient)", ["q"]),
    ("link.other.getReferenceKey('Patient')", ["q"]),
    ("link.other.getReferenceKey(Group)", []),
    ("(link.other).getReferenceKey(Patient) = 'q'", [True]),
    ("birthDate.lowBoundary()", ["1970-06-01"]),
    ("birthDate.toString().substring(0, 4).toInteger()", [1970]),
    ("'x'", ["x"]),
    ("-3", [-3]),
    ("false", [False]),
    ("{ }", []),
    ("%person", ["somebody"]),
    ("%rowIndex", [0]),
    ("%rowIndex + 1", [1]),
    ("$this.id", ["p"]),
    ("name.family = name.family and active", [True]),
]  # fmt: skip


@pytest.mark.parametrize("text, values", READ, ids=[text for text, _ in READ])
def test_a_path_reads_what_it_names(text, values):
    read = path.compiled(text, frozenset({"person", "rowIndex"}))
    held = read(("Patient", PATIENT), {"person": "somebody", "rowIndex": 0})
    assert [value for _, value in held] == values


@pytest.mark.parametrize(
    "text", ["@@", "name..family", "name.family extra", "name.where(", "a b", "nothing()", "%other", "name.lowBoundary() + 1", ""]
)  # fmt: skip
def test_what_is_no_fhirpath_is_refused_before_anything_is_read(text):
    with pytest.raises(Invalid):
        of([columns(a=text)])


@pytest.mark.parametrize(
    "kind, value, low, high",
    [
        ("date", "1970", "1970-01-01", "1970-12-31"),
        ("date", "1972-02", "1972-02-01", "1972-02-29"),
        ("dateTime", "1970", "1970-01-01T00:00:00.000+14:00", "1970-12-31T23:59:59.999-12:00"),
        ("dateTime", "1970-01-01T10:00Z", "1970-01-01T10:00:00.000Z", "1970-01-01T10:00:59.999Z"),
        ("dateTime", "1970-01-01T10:00", "1970-01-01T10:00:00.000+14:00", "1970-01-01T10:00:59.999-12:00"),
        ("time", "12", "12:00:00.000", "12:59:59.999"),
        ("decimal", Decimal("1.0"), Decimal("0.95"), Decimal("1.05")),
        ("decimal", 1.5, Decimal("1.45"), Decimal("1.55")),
        ("integer", 3, Decimal("2.5"), Decimal("3.5")),
    ],
)
def test_an_imprecise_value_has_its_boundaries(kind, value, low, high):
    assert boundary.boundary((kind, value), boundary.LOW) == (kind, low)
    assert boundary.boundary((kind, value), boundary.HIGH) == (kind, high)


@pytest.mark.parametrize(
    "value", [("string", "x"), ("decimal", Decimal("NaN")), ("date", "1970-13"), ("date", 3), ("time", None)]
)
def test_words_have_no_boundaries(value):
    with pytest.raises(Invalid):
        boundary.boundary(value, boundary.HIGH)


ONE = columns(a="id")
REFUSED = [
    ([], "view: not an object"),
    ({"resource": "Patient"}, "without a column"),
    ({"resource": "Nothing", "select": [ONE]}, "not a resource type"),
    ({"resource": "Patient", "name": "a-b", "select": [ONE]}, "view: name"),
    ({"resource": "Patient", "select": ONE}, "not a list"),
    ({"resource": "Patient", "select": []}, "an empty list"),
    ({"resource": "Patient", "select": [{"forEach": "name", "repeat": ["name"], **ONE}]}, "one of forEach"),
    ({"resource": "Patient", "select": [ONE, columns(A="id")]}, "a name twice"),
    ({"resource": "Patient", "select": [{"column": [{"name": "1", "path": "id"}]}]}, "column: name"),
    ({"resource": "Patient", "select": [{"column": [{"name": "a"}]}]}, "column a: path"),
    ({"resource": "Patient", "select": [{"unionAll": [ONE, columns(b="id")]}]}, "the columns differ"),
    ({"resource": "Patient", "select": [ONE], "constant": [{"name": "person", "valueCode": "a"}]}, "a meaning already"),
    ({"resource": "Patient", "select": [ONE], "constant": [{"name": "x", "valuePeriod": {}}]}, "one plain value"),
    ({"resource": "Patient", "select": [ONE], "extension": [{"url": view.DISTINCT, "valueString": "b"}]}, "no such column"),
]  # fmt: skip


@pytest.mark.parametrize("definition, words", REFUSED, ids=[words for _, words in REFUSED])
def test_a_view_that_is_not_as_the_specification_has_it_is_refused_by_its_place(definition, words):
    with pytest.raises(Invalid, match=words):
        view.compiled(definition)


def test_a_view_so_deep_that_it_is_meant_to_harm_is_refused():
    select = ONE
    for _ in range(40):
        select = {"select": [select]}
    with pytest.raises(Invalid, match="too deep"):
        of([select])


def test_a_loop_of_repeats_ends():
    endless = of([{"repeat": ["$this"], **ONE}])
    with pytest.raises(Invalid, match="too deep"):
        endless.rows(PATIENT)


@pytest.mark.parametrize(
    "compiled, words",
    [
        (of([columns(a="name.family")]), "column a: more than one value"),
        (of([columns(a="name.family + 1")]), "column a: the expression cannot be evaluated"),
        (of([ONE], where=[{"path": "name.family"}]), "where: not a condition"),
    ],
)
def test_a_value_that_does_not_fit_is_named_by_its_place_and_not_repeated(compiled, words):
    with pytest.raises(Invalid, match=words) as refusal:
        compiled.rows(PATIENT)
    assert "official" not in str(refusal.value) and "B" not in str(refusal.value)


def test_another_type_has_no_rows():
    assert of([ONE]).rows({"resourceType": "Group", "id": "g"}) == []
    assert of([ONE]).rows(PATIENT) == [("p",)]

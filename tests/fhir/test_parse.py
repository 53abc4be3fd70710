"""Search requests: what is known is read, all else refused by name and never by value."""

import pytest

from gateway.errors import GatewayError, Invalid, TooLarge, Unsupported
from gateway.fhir import params
from gateway.fhir.parse import parse

SECRET = "Zebrafish"
INCLUDABLE = ", ".join(f"Observation:{name}" for name in sorted(params.includes("Observation")))
BROWSING = "a search of Patient needs an identifier, or two of family, given and birthdate"
SORT = "parameter _sort: up to five search parameters of the type"

REFUSED = [
    ("Observation", [("subject.nickname", SECRET)], Unsupported, "parameter subject.nickname"),
    ("Observation", [("encounter.part-of.part-of.part-of.type", SECRET)], Unsupported, "parameter type: too many references"),
    ("Patient", [("link", SECRET)], Unsupported, "parameter link: links are made for each answer, as its caller may see them: search by identifier"),
    ("Patient", [("link:missing", "true")], Unsupported, "parameter link:missing: links are made for each answer, as its caller may see them: search by identifier"),
    ("Patient", [("_sort", "link")], Unsupported, SORT),
    ("Observation", [("subject:Patient.link", SECRET)], Unsupported, "parameter"),
    ("Patient", [("_has:Patient:link:gender", SECRET)], Unsupported, "parameter _has: _has:Type:reference:parameter"),
    ("Patient", [("_revinclude", "Patient:link")], Unsupported, "parameter _revinclude: Type:parameter"),
    ("Observation", [("_has:Practitioner:link:code", SECRET)], Unsupported, "parameter _has: _has:Type:reference:parameter"),
    ("Practitioner", [("_has:Observation:performer:code", SECRET)], Unsupported, "parameter _has: _has:Type:reference:parameter"),
    ("Organization", [("phonetic", SECRET)], Unsupported, "parameter phonetic: no sounds are compared"),
    ("Observation", [("code:above", SECRET)], Unsupported, "parameter code:above"),
    ("Observation", [("value-quantity", SECRET)], Invalid, "parameter value-quantity"),
    ("Observation", [("value-quantity", "1|2")], Invalid, "parameter value-quantity: number or number|system|code"),
    ("Observation", [("code-value-quantity", SECRET)], Invalid, "parameter code-value-quantity: code$value-quantity"),
    ("Observation", [("code:missing", SECRET)], Invalid, "parameter code:missing: true or false"),
    ("Observation", [("_sort", "code,date,status,issued,encounter,method")], Unsupported, SORT),
    ("Observation", [("code:in", SECRET)], Unsupported, "parameter code:in"),
    ("Observation", [("_revinclude", SECRET)], Unsupported, "parameter _revinclude: Type:parameter"),
    ("Observation", [("9990000018", SECRET)], Unsupported, "parameter"),
    ("Observation", [("patient", f"Group/{SECRET}")], Invalid, "parameter patient"),
    ("Observation", [("patient", "a"), ("patient", "b")], Invalid, "parameter patient: a search names one person"),
    ("Observation", [("patient", "a,b")], Invalid, "parameter patient: a search names one person"),
    (
        "Observation",
        [("patient.identifier", SECRET)],
        Unsupported,
        "parameter patient.identifier: only NHS numbers, as system|value",
    ),
    ("Observation", [("date", SECRET)], Invalid, "parameter date"),
    ("Observation", [("code", f"a|b|{SECRET}")], Invalid, "parameter code: code, |code, system| or system|code"),
    ("Observation", [("_count", SECRET)], Invalid, "parameter _count"),
    ("Observation", [("_sort", SECRET)], Unsupported, SORT),
    (
        "Observation",
        [("_include", f"Observation:{SECRET}")],
        Unsupported,
        f"parameter _include: {INCLUDABLE}",
    ),
    ("Observation", [("code", ",".join("x" * 60))], TooLarge, "parameter code"),
    (
        "Patient",
        [("family", SECRET)],
        Invalid,
        "a search of Patient needs an identifier, or two of family, given and birthdate",
    ),
    (
        "Patient",
        [("gender", "male")],
        Invalid,
        "a search of Patient needs an identifier, or two of family, given and birthdate",
    ),
    ("Patient", [("_id", "a,b")], Invalid, "parameter _id: a search names one person"),
    ("Patient", [("name", SECRET), ("phone", SECRET)], Invalid, BROWSING),
    ("Patient", [("family:contains", SECRET), ("given", SECRET)], Invalid, BROWSING),
    ("Patient", [("identifier:not", SECRET)], Invalid, BROWSING),
    ("Patient", [("identifier", f"{SECRET}|")], Invalid, BROWSING),
]  # fmt: skip


@pytest.mark.parametrize("resource_type, pairs, kind, message", REFUSED)
def test_what_we_do_not_know_is_refused_by_name(resource_type, pairs, kind, message):
    with pytest.raises(GatewayError) as refused:
        parse(resource_type, pairs)
    assert isinstance(refused.value, kind) and str(refused.value) == message
    assert SECRET not in str(refused.value)


def test_a_chained_nhs_number_says_who_is_asked_about():
    query = parse("Observation", [("patient.identifier", "https://fhir.nhs.uk/Id/nhs-number|999 000 0018")])
    assert query.number == "9990000018" and not query.clauses


@pytest.mark.parametrize(
    "text, expected",
    [("a", (None, "a")), ("|a", ("", "a")), ("s|a", ("s", "a")), (r"s|a\,b", ("s", "a,b")), (r"s\|t|a", ("s|t", "a"))],
)
def test_tokens_are_read_in_all_their_forms(text, expected):
    assert parse("Observation", [("code", text)]).clauses[0].values == (expected,)


VALUES = {
    "token": "a",
    "date": "2024",
    "reference": "x",
    "string": "a",
    "quantity": "1",
    "uri": "urn:x",
    "composite": "a$1",
}
DATED = {"code-value-date": "a$2024", "relationship": "DocumentReference/a$b"}


def test_every_type_can_be_searched_by_each_of_its_parameters_and_is_told_if_it_is_missing():
    for name in params.SEARCHABLE:
        for row in params.searchable(name).values():
            if row.name in (*params.about(name), "_id", "_lastUpdated"):
                continue
            value = DATED.get(row.name) if row.kind == "composite" else None
            who = [("_id", "p")] if name == "Patient" else []
            for modifier, text in (("", value or VALUES[row.kind]), (":missing", "true")):
                asked = parse(name, [(row.name + modifier, text), *who]).clauses[0]
                assert (asked.param, asked.kind) == (row.name, row.kind), (name, row.name)


def test_a_lenient_search_names_what_it_leaves_out_and_keeps_what_it_understood():
    query = parse(
        "Observation", [("patient", "p"), ("nonsense", SECRET), ("_has:x", "y"), ("code", "c")], is_lenient=True
    )
    assert query.ignored == ("parameter nonsense", "parameter _has: _has:Type:reference:parameter")
    assert query.parameters == (("patient", "p"), ("code", "c"))
    with pytest.raises(Invalid):
        parse("Observation", [("patient", "p"), ("date", SECRET)], is_lenient=True)


def test_numbers_of_parameters_are_never_shared():
    numbers = [row.number for row in params.PARAMS]
    assert len(numbers) == len(set(numbers))

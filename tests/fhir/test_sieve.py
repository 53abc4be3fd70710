"""What a filter passes over could not have matched, and what it reads of a resource is all that a test asks of it."""

import json
import random
import re

import pytest

from gateway.errors import Invalid
from gateway.fhir import build, params
from gateway.fhir.expression import compiled
from gateway.fhir.matching import by_reference, by_token, clauses, sieve
from gateway.fhir.search import Clause
from tests.api.people import EVERYTHING

NOW = 1_700_000_000_000_000
ODD = ["é", 'a"b', "a\\b", "a/b", "\u2028", "😀", "true", "\x7f", " a ", "\t"]
"""Codes that JSON may write in more than one way, and one that a boolean has without quotes."""


@pytest.mark.parametrize("code", ODD)
def test_a_code_is_found_however_json_writes_it(code):
    definition = params.searchable("Observation")["method"]
    clause = Clause("method", "token", ((None, code),))
    test, may = clauses.test(definition, clause), sieve.may_match("Observation", [clause]) or (lambda _: True)
    for ascii_ in (True, False):
        written = json.dumps({"method": {"coding": [{"code": code}]}}, ensure_ascii=ascii_)
        for text in (written, written.replace("/", "\\/")):
            assert may(text.encode()) and test(build.decode(text.encode()))
    is_plain = code not in ('a"b', "a\\b", "\t", "true")
    assert may(b'{"method":{"text":"q"}}') is not is_plain, "others are passed over where that is sure"


def test_what_a_sieve_cannot_judge_it_lets_through():
    for clause in (
        Clause("method", "token", ((None, "x"),), "not"),
        Clause("method", "token", (True,), "missing"),
        Clause("_tag", "token", ((None, "x"),)),
        Clause("value-string", "string", (("x", "x"),)),
        Clause("method", "token", ((None, "x"), ("", None))),
    ):
        assert sieve.may_match("Observation", [clause]) is None
    assert sieve.reader("Observation", [Clause("_tag", "token", ((None, "x"),))]) is build.decode


OTHER = Clause("identifier", "token", (("urn:test", "1"),))
"""A clause that reads an element of any type, beside the one that is tested."""


def texts(definition) -> list[str]:
    """What to ask a parameter for: all that the example holds, and more."""
    values = compiled(definition.type, definition.expression)(EVERYTHING[definition.type])
    match definition.kind:
        case "token":
            pairs = [pair for typed in values for pair in by_token.held(typed, "")]
            held = [word for system, code in pairs for word in (code, f"{system}|{code}", f"{system}|", f"|{code}")]
        case "reference":
            written = [by_reference.written(typed) for typed in values]
            held = [word for text in written for word in (text, text.rpartition("/")[2])]
        case "uri":
            held = [word for _, text in values for word in (text, text.partition("#")[0])]
        case _:
            held = ["2021-05-04", "5", "ge2021", "quill", "5|http://unitsofmeasure.org|kg", "final$5"]
    return [word for word in dict.fromkeys(held) if word.strip("|")] + ["zz"]


def asked(definition) -> list[Clause]:
    alone = []
    for modifier in ("", *clauses.modifiers(definition)):
        for text in ("true", "false") if modifier == clauses.MISSING else texts(definition):
            try:
                value = clauses.read("", definition, modifier, text, NOW)
            except Invalid:
                continue
            alone.append(Clause(definition.name, definition.kind, (value,), modifier))
    return [*alone, *(Clause(first.param, first.kind, first.values + last.values)
                      for first, last in zip(alone, alone[1:]) if first.modifier == last.modifier == "")]  # fmt: skip


def ways(resource: dict) -> list[bytes]:
    """A resource as JSON may write it: plain, with every letter beyond ASCII escaped, with half of all letters escaped,
    and without some of its elements."""
    seed = random.Random(resource["id"])
    plain = json.dumps(resource, ensure_ascii=False)
    less = {name: value for name, value in resource.items() if seed.random() < 0.6 or name == "resourceType"}

    def escaped(match: re.Match) -> str:
        return "".join(f"\\u{ord(mark):04x}" if mark.isalnum() and seed.random() < 0.5 else mark for mark in match[0])

    return [
        text.encode()
        for text in (plain, json.dumps(resource), re.sub(r'(?<=: ")[^"\\]+(?=")', escaped, plain), json.dumps(less))
    ]


@pytest.mark.parametrize("type_", sorted(EVERYTHING))
def test_the_sieve_loses_no_match_and_reads_all_that_is_asked(type_):
    compared = passed_over = 0
    pool = [body for other in EVERYTHING.values() for body in ways(other) if other["resourceType"] == type_]
    for definition in params.searchable(type_).values():
        if definition.expression.startswith(sieve.META):
            continue
        for clause in asked(definition):
            test = clauses.test(definition, clause)
            may, read = sieve.may_match(type_, [clause]), sieve.reader(type_, [clause, OTHER])
            for body in pool:
                is_match = test(build.decode(body))
                assert test(read(body)) is is_match, clause
                if may and not may(body):
                    assert not is_match, (clause, body)
                    passed_over += 1
                compared += 1
    assert compared > 100 and passed_over > 10


@pytest.mark.parametrize("name", ["code-value-quantity", "combo-code-value-quantity", "component-code-value-quantity"])
def test_the_parts_of_a_composite_are_read_beside_another_clause(name):
    measured = {"code": {"coding": [{"code": "x1"}]}, "valueQuantity": {"value": 5}}
    body = build.encode({"resourceType": "Observation", **measured, "component": [measured]})
    definition = params.searchable("Observation")[name]
    clause = Clause(name, "composite", (clauses.read("", definition, "", "x1$5", NOW),))
    assert clauses.test(definition, clause)(sieve.reader("Observation", [clause, OTHER])(body))

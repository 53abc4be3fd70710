"""The index and the filter find the same: whatever the index answers, a reading of every resource answers alike."""

import random

from gateway.fhir import build, params, plan, token_index
from gateway.fhir.matching import clauses
from gateway.fhir.parse import clause
from gateway.fhir.search import Query
from gateway.store import find
from tests.api.people import EVERYTHING, SETS, coded, observation, to, uid
from tests.toy import deliver, resource, row

DAYS = ["2021-05-04", "2021-05", "2021", "2022-06-07T10:00:00Z", "2020-12-31", "2021-05-04T10:00:00+01:00"]
PREFIXES = ["", "eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap"]
WORDS = ["quill", "Quill-Stone", "wéll", "stone", "IDRIS", "zz", "north ward"]
P = to("Patient", 1)


def varied(seed: random.Random) -> list[dict]:
    """Observations and problems with dates of every precision, half-open periods and none."""
    held = []
    for number in range(40):
        start, end = seed.choice(DAYS), seed.choice(DAYS[:4])
        when = seed.choice(
            [{"effectiveDateTime": start}, {"effectivePeriod": {"start": start}}, {"effectivePeriod": {"end": end}}, {}]
        )
        status = seed.choice(["final", "amended", "unknown"])
        held.append({**observation(400 + number, 1, seed.choice("abc"), **when), "status": status})
        onset = seed.choice([{"onsetDateTime": start}, {"onsetString": "long ago"}, {}])
        held.append(
            resource(
                "Condition",
                uid(500 + number),
                code=coded(seed.choice("abc")),
                subject=P,
                recordedDate=end[:10],
                **onset,
            )
        )
    return held


def values(type_: str, row_: params.Param) -> list[str]:
    """Values to ask for: what resources hold, what they nearly hold, and what they do not."""
    match row_.kind:
        case "date":
            return [prefix + day for prefix in PREFIXES for day in DAYS]
        case "string":
            return WORDS
        case "reference":
            return [
                f"{target}/{uid(number)}"
                for target in params.includes(type_)[row_.name][:4]
                for number in (1, 107, 116, 117, 126)
            ]
    held = [
        value for _, value in clauses.compiled(type_, params.searchable(type_)[row_.name].expression)(EVERYTHING[type_])
    ]
    codings = [pair for value in held for pair in clauses.by_token.tokens(value)]
    own = params.searchable(type_)[row_.name].system
    asked = (
        [f"{system}|{code}" for system, code in codings]
        + [f"{own}|{code}" for _, code in codings]
        + ["urn:test:codes|a", "urn:other|b"]
    )
    is_whole = token_index.is_whole(type_, row_.name)
    return asked if is_whole else [*asked, "a", "|b", "final", "zz", *(code for _, code in codings)]


def test_the_index_and_the_filter_find_the_same(store):
    seed = random.Random(9)
    deliver(store, [row("all", *EVERYTHING.values(), *varied(seed))], SETS)
    compared = matched = 0
    with store.read() as session:
        for type_ in params.SEARCHABLE:
            everything = find.find(session, Query(type_, count=1000), find.ANYBODY)
            resources = {stored.id: build.decode(stored.body) for stored in everything}
            for row_ in params.indexed(type_).values():
                if (type_, row_.name) in params.NARROWER:
                    continue
                asked_for = values(type_, row_)
                few = (
                    asked_for
                    if type_ in ("Observation", "Condition")
                    else seed.sample(asked_for, min(4, len(asked_for)))
                )
                for value in few:
                    asked = clause(type_, row_.name, value, 1_700_000_000_000_000)
                    query = Query(type_, (asked,), count=1000)
                    assert not plan.left(query) and plan.narrowed(query).clauses == (asked,), (type_, row_.name, value)
                    test = clauses.test(params.searchable(type_)[row_.name], asked)
                    by_index = {stored.id for stored in find.find(session, query, find.ANYBODY)}
                    assert by_index == {id_ for id_, held in resources.items() if test(held)}, (type_, row_.name, value)
                    compared, matched = compared + 1, matched + bool(by_index)
    assert compared > 400 and matched > 150

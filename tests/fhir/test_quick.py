"""The quick way accepts nothing that the long way refuses, and accepts what our mappings make."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, strategies

from gateway.fhir import compiled, model, quick
from gateway.fhir.build import encode
from tests.fhir.mutate import mutants
from tests.fhir.resources import MINIMAL, made, one_of_each, samples
from tests.fhir.test_model import BROKEN, VALID

LEAST = 0.9
"""The share of our own samples that need not go the long way."""
SPACES = (
    " ",
    "\t",
    "\u00a0",
    "\u0085",
    "\u1680",
    "\u2003",
    "\u2028",
    "\u205f",
    "\u3000",
    "\x00",
    "\x1c",
    '"',
    "\\",
    "é",
    "’",
)


def is_accepted(body: bytes) -> bool:
    """Whether the quick way alone accepts a text."""
    if not quick.is_ordinary(body):
        return False
    try:
        compiled.loose().decode(body)
    except model.UNREADABLE:
        return False
    return quick.is_sound(msgspec.json.decode(body))


def never_wrong(resource: object) -> None:
    body = resource if isinstance(resource, bytes) else encode(resource)
    assert not (is_accepted(body) and model.at_length(body)), body


def test_every_broken_resource_is_doubted():
    for resource, _, _ in BROKEN.values():
        never_wrong(resource)


def test_every_single_fault_in_a_sample_is_doubted():
    broken = [
        mutant for number, (_, resource) in enumerate(one_of_each()) for _, _, mutant in mutants(resource, number)
    ]
    assert len(broken) > 500
    for mutant in broken:
        never_wrong(mutant)


def test_most_samples_of_our_mappings_are_accepted_at_once():
    accepted = [is_accepted(encode(resource)) for _, resource in samples()]
    assert sum(accepted) / len(accepted) > LEAST


def test_a_minimal_resource_of_each_type_is_accepted_at_once():
    doubted = [name for name in MINIMAL if not is_accepted(encode(made(name)))]
    assert doubted == []


@pytest.mark.parametrize("resource", VALID.values(), ids=VALID)
def test_what_is_valid_is_valid_by_either_way(resource):
    body = json.dumps(resource).encode()
    assert model.check(body) == model.at_length(body) == []


@given(strategies.data())
def test_odd_characters_anywhere_are_judged_as_by_the_long_way(data):
    _, resource = data.draw(strategies.sampled_from(samples()))
    text = encode(resource).decode()
    place = data.draw(strategies.integers(0, len(text)))
    end = place + data.draw(strategies.integers(0, 2))
    body = (text[:place] + data.draw(strategies.sampled_from(SPACES)) + text[end:]).encode()
    assert model.check(body) == model.at_length(body)


def _strings(value: object) -> list[tuple[dict, str]]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = [(value, name) for name, text in value.items() if isinstance(text, str)] if isinstance(value, dict) else []
    return own + [place for child in inner for place in _strings(child)]


@given(strategies.data())
def test_an_odd_string_in_any_element_is_judged_as_by_the_long_way(data):
    _, sample = data.draw(strategies.sampled_from(samples()))
    resource = json.loads(json.dumps(sample))
    node, name = data.draw(strategies.sampled_from(_strings(resource)))
    odd = strategies.sampled_from(
        ("", " ", "a b", "a  b", " a", "a ", "2024-02-30", "2024-13", "Patient/a b", "Patient/", "#a", "Nothing/a")
    )
    node[name] = data.draw(odd | strategies.text(max_size=6))
    body = encode(resource)
    assert model.check(body) == model.at_length(body)

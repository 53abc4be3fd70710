"""Makes the index entries of a resource, with the search parameters compiled once for each type."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from gateway.errors import Invalid
from gateway.fhir import dates, params, paths, token_index
from gateway.fhir.codes import tokens
from gateway.fhir.search import Entries

CHOICES = frozenset({"effective", "performed", "occurrence", "onset"})
REVISION = 1
"""Raise it when the code that reads or hashes an element changes what is written for the same row of the table."""


def fingerprint() -> str:
    """What entries depend on: another row, path, main date or revision, another fingerprint."""
    types = sorted({*params.SEARCHABLE, *params.SUBJECT})
    plans = [(name, params.subject(name), _in_order(_compiled(name))) for name in types]
    return blake2b(repr((REVISION, plans)).encode(), digest_size=8).hexdigest()


def _in_order(plan: _Plan) -> _Plan:
    """The plan with its rows by number: where a row stands in the table changes nothing."""
    return _Plan(sorted(plan.tokens), sorted(plan.references), sorted(plan.dates), sorted(plan.words), plan.main)


@lru_cache(maxsize=8192)
def fold(text: str) -> str:
    """Text as it is compared: without accents, case, or anything but letters, digits and single spaces.

    >>> fold("O’Brien-Ångström ")
    'obrien angstrom'
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
    return " ".join("".join(c if c.isalnum() else " " if c in "- \t" else "" for c in plain).split())


def entries(resource: dict[str, Any]) -> Entries:
    """The index entries of one resource. An unreadable date is no entry: validation has said so already."""
    resource_type = resource["resourceType"]
    token_rows, reference_rows, date_rows, word_rows, main = _compiled(resource_type)
    patient = _patient(resource, resource_type)
    with_patient: list[tuple[int, int]] = []
    everywhere: list[tuple[int, int]] = []
    for number, path, is_global, is_whole in token_rows:
        value = resource.get(path) if isinstance(path, str) else paths.values(resource, path)
        if value is not None:
            if type(value) is str:
                with_patient.append(token_index.of_code(number, value))
                continue
            to = everywhere if is_global else with_patient
            for system, code in tokens(value):
                to += token_index.of_coding(number, system, code, is_whole)
    for number, path, is_global in reference_rows:
        for reference in paths.references(resource, path):
            if "/" in reference:
                to = everywhere if is_global else with_patient
                to.append(token_index.of_reference(number, reference))
    low, high = _interval(resource, main) or (None, None)
    seconds = []
    for number, names in date_rows:
        interval = _interval(resource, names)
        if interval:
            seconds.append((number, *interval))
    words = tuple([(number, fold(text)) for number, path in word_rows for text in paths.values(resource, path)])
    return Entries(patient, low, high, tuple(with_patient), tuple(everywhere), words, tuple(seconds))


class _Plan(NamedTuple):
    """What is read of a type. Each row begins with the number of its parameter; the main date is a list of names."""

    tokens: list[tuple[int, str | paths.Path, bool, bool]]
    references: list[tuple[int, paths.Path, bool]]
    dates: list[tuple[int, tuple[str, ...]]]
    words: list[tuple[int, paths.Path]]
    main: tuple[str, ...]


@lru_cache(maxsize=256)
def _compiled(resource_type: str) -> _Plan:
    rows = params.indexed(resource_type).values()
    main = params.main_date(resource_type)
    return _Plan(
        [(p.number, _element(p.paths[resource_type]), p.is_global, token_index.is_whole(resource_type, p.name))
         for p in rows if p.kind == "token"],
        [(p.number, paths.path(p.paths[resource_type]), p.is_global) for p in rows if p.kind == "reference"],
        [(p.number, _dated(p.paths[resource_type])) for p in rows if p.kind == "date" and p is not main],
        [(p.number, paths.path(p.paths[resource_type])) for p in rows if p.kind == "string"],
        _dated(main.paths[resource_type]) if main else (),
    )  # fmt: skip


def _element(path: str) -> str | paths.Path:
    """An element's name, or the path of one that lies deeper: most do not, and are read at once."""
    return paths.path(path) if "." in path else path


def _dated(path: str) -> tuple[str, ...]:
    """The names an element with a date has: one, or one a type of the choice."""
    return (f"{path}DateTime", f"{path}Period", f"{path}Instant") if path in CHOICES else (path,)


def _patient(resource: dict[str, Any], resource_type: str) -> str:
    if resource_type == "Patient":
        return str(resource["id"])
    element = params.subject(resource_type)
    if resource_type in params.WITHOUT_SUBJECT:
        return next(iter(patients(resource, element)), "")
    reference: str = resource.get(element, {}).get("reference", "") if element else ""
    return reference[8:] if reference.startswith("Patient/") else ""


def patients(resource: dict[str, Any], element: str) -> list[str]:
    """The ids of the Patients that an element names among others, each once.

    >>> patients({"target": [{"reference": "Encounter/e"}, {"reference": "Patient/p"}]}, "target")
    ['p']
    """
    named = [name for name in paths.references(resource, paths.path(element)) if name.startswith("Patient/")]
    return list(dict.fromkeys(name[8:] for name in named))


def _interval(resource: dict[str, Any], names: tuple[str, ...]) -> tuple[int, int] | None:
    for name in names:
        value = resource.get(name)
        if value is not None:
            try:
                return dates.interval(value) if isinstance(value, str) else dates.period(value)
            except Invalid:
                return None
    return None

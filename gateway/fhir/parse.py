"""A search request becomes a Query, or is refused by the name of what we do not know. Values are never repeated in an
error.

Source: FHIR R4 search. ``patient``, ``subject`` and the chained ``patient.identifier`` say who is asked about; the
rest are clauses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from gateway.errors import Invalid, TooLarge, Unsupported
from gateway.fhir import dates, params
from gateway.fhir.codes import NHS_NUMBER, token_hash
from gateway.fhir.index import WHOLE_IDENTIFIERS, fold
from gateway.fhir.search import Clause, Include, Query

MOST_CLAUSES, MOST_VALUES, MOST_COUNT, USUAL_COUNT = 30, 50, 250, 50
FORM = frozenset({"_format", "_pretty"})
"""What the answer shall look like: whoever answers has read it."""
PREFIXES = ("eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,48}(:[A-Za-z]{1,24})?\Z")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_CURSOR = re.compile(r"[A-Za-z0-9_\-=]{1,2000}\Z")
PLAIN = {"status", "gender"}
"""Parameters of one code alone, which is indexed as of any system: ``final``, ``|final`` and ``final`` of its own
system ask the same."""
CHAINS = (".identifier", ":Patient.identifier")
"""Chained parameters allowed after ``patient`` or ``subject``: the person's NHS number."""


def parse(resource_type: str, pairs: Sequence[tuple[str, str]], now: int | None = None) -> Query:
    """https://hl7.org/fhir/R4/search.html

    The query of a search. Raises ``Unsupported`` for what we do not know, ``Invalid`` for a value that cannot be
    read, both by name.

    >>> parse("Observation", [("patient", "Patient/p1"), ("code", "http://loinc.org|718-7")]).patients
    ('p1',)
    """
    if len(pairs) > MOST_CLAUSES:
        raise TooLarge("too many parameters")
    reader = _Reader(resource_type, dates.microseconds_now() if now is None else now)
    for name, value in pairs:
        reader.take(name, value)
    return reader.query(pairs)


def named(name: str) -> str:
    """A parameter's name for an error: as sent when it looks like one, else no name at all (it may be a value in the
    wrong place)."""
    return f"parameter {name}" if _NAME.match(name) and not any(c.isdigit() for c in name) else "parameter"


def known(pairs: Sequence[tuple[str, str]], *names: str) -> None:
    """Raises ``Unsupported``, by name, for a parameter of a read or an operation that is neither one of ``names`` nor
    of ``FORM``."""
    for name, _ in pairs:
        if name not in FORM and name not in names:
            raise Unsupported(named(name))


def local(resource_type: str, pairs: Sequence[tuple[str, str]], base: str) -> list[tuple[str, str]]:
    """The pairs with references to resources of this server, which is at ``base``, as relative ones: the two are the
    same (R4 search, reference). A reference to another server stays as it is, and finds none of ours.

    >>> local("Observation", [("patient", "https://ours/fhir/Patient/p1")], "https://ours/fhir")
    [('patient', 'Patient/p1')]
    """
    rows = params.searchable(resource_type)
    references = {name for name, row in rows.items() if row.kind == "reference"} | set(params.about(resource_type))
    return [
        (name, ",".join(text.removeprefix(f"{base}/") for text in value.split(",")))
        if name.partition(":")[0] in references
        else (name, value)
        for name, value in pairs
    ]


class _Reader:
    """Reads one parameter after another into the parts of a query."""

    def __init__(self, resource_type: str, now: int):
        self.type, self.now, self.rows = resource_type, now, params.searchable(resource_type)
        self.who = params.about(resource_type)
        self.chained = {who + chain for who in self.who for chain in CHAINS}
        self.clauses: list[Clause] = []
        self.includes: list[Include] = []
        self.patients: tuple[str, ...] | None = None
        self.number: str | None = None
        self.cursor: str | None = None
        self.sort, self.count, self.cursor, self.total = ("date", True), USUAL_COUNT, None, False
        self.is_counted = False
        if params.main_date(resource_type) is None:
            self.sort = ("_lastUpdated", True)

    def take(self, name: str, value: str) -> None:
        if not value:
            raise Invalid(named(name))
        if name in self.chained:
            self._number(name, value)
        elif name.removesuffix(":Patient") in self.who:
            self._who(name, value)
        elif name in _CONTROLS:
            _CONTROLS[name](self, value)
        elif name in self.rows:
            self._clause(name, value)
        elif (typed := self._typed(name)) is not None:
            self._clause(*typed, value)
        else:
            raise Unsupported(named(name))

    def _typed(self, name: str) -> tuple[str, str] | None:
        """A reference parameter and the type that its modifier names (``encounter:Encounter``)."""
        plain, _, type_ = name.partition(":")
        row = self.rows.get(plain)
        return (plain, type_) if row is not None and row.kind == "reference" and type_ in row.targets else None

    def _who(self, name: str, value: str) -> None:
        ids = []
        for text in value.split(","):
            kind, _, id_ = text.rpartition("/")
            if ":" in text:  # at another server: nobody of ours
                ids.append("")
                continue
            if kind not in ("", "Patient") or not _ID.match(id_):
                raise Invalid(named(name))
            ids.append(id_)
        if self.patients is not None or self.number is not None or len(ids) > 1:
            raise Invalid(f"{named(name)}: a search names one person")
        self.patients = tuple(ids)

    def _number(self, name: str, value: str) -> None:
        system, bar, number = value.partition("|")
        if not bar or system != NHS_NUMBER:
            raise Unsupported(f"{named(name)}: only NHS numbers, as system|value")
        if self.patients is not None or self.number is not None or "," in number:
            raise Invalid(f"{named(name)}: a search names one person")
        self.number = number.replace(" ", "")

    def _clause(self, name: str, *of: str) -> None:
        """One clause. ``of`` is its value, after the type of reference that a modifier names."""
        *types, value = of
        row = self.rows[name]
        values = _split(value, ",")
        if len(values) > MOST_VALUES:
            raise TooLarge(named(name))
        if self.type == "Patient" and name == "identifier" and value.startswith(NHS_NUMBER + "|"):
            self._number(name, value)
            return
        read: tuple[Any, ...]
        match row.kind:
            case "token":
                read = tuple(_token(name, text, row.systems.get(self.type)) for text in values)
                if self.type == "Patient" and any(code is None for _, code in read):
                    raise Unsupported(f"{named(name)}: system|value")
                if name == "identifier" and self.type in WHOLE_IDENTIFIERS and any(not system for system, _ in read):
                    raise Invalid(f"{named(name)}: system|value")
            case "date":
                read = tuple(_date(name, text, self.now) for text in values)
            case "reference":
                read = tuple(_reference(name, text, tuple(types) or row.targets) for text in values)
            case _:
                read = tuple((fold(_unescape(text)), False) for text in values)
                if not all(text for text, _ in read):
                    raise Invalid(named(name))
        self.clauses.append(Clause(name, row.kind, read))

    def _id(self, value: str) -> None:
        ids = tuple(value.split(","))
        if len(ids) > MOST_VALUES or not all(_ID.match(id_) for id_ in ids):
            raise Invalid("parameter _id")
        self.clauses.append(Clause("_id", "id", ids))
        if self.type == "Patient":
            if len(ids) > 1:
                raise Invalid("parameter _id: a search names one person")
            self.patients = ids

    def _updated(self, value: str) -> None:
        self.clauses.append(
            Clause("_lastUpdated", "date", tuple(_date("_lastUpdated", text, self.now) for text in value.split(",")))
        )

    def _count(self, value: str) -> None:
        if not re.fullmatch(r"[0-9]{1,6}", value, re.ASCII):
            raise Invalid("parameter _count")
        self.count = min(int(value), MOST_COUNT)

    def _summary(self, value: str) -> None:
        """Of the kinds of summary only a count concerns the search; ``subset`` reads the others."""
        self.is_counted |= value == "count"

    def _sort(self, value: str) -> None:
        name, descending = value.removeprefix("-"), value.startswith("-")
        main = params.main_date(self.type)
        if name == "_lastUpdated":
            self.sort = ("_lastUpdated", descending)
        elif main is not None and name in (main.name, "date"):
            self.sort = ("date", descending)
        else:
            raise Unsupported("parameter _sort: the type's date or _lastUpdated")

    def _include(self, value: str) -> None:
        kind, _, rest = value.partition(":")
        name, _, target = rest.partition(":")
        targets = params.includes(self.type).get(name, ()) if kind == self.type else ()
        if not targets or (target and target not in targets):
            allowed = ", ".join(f"{self.type}:{param}" for param in sorted(params.includes(self.type)))
            raise Unsupported(f"parameter _include: {allowed}" if allowed else "parameter _include")
        self.includes.append(Include(kind, name, target))

    def _cursor(self, value: str) -> None:
        if not _CURSOR.match(value):
            raise Invalid("parameter _cursor")
        self.cursor = value

    def _total(self, value: str) -> None:
        if value not in ("none", "accurate"):
            raise Unsupported("parameter _total")
        self.total = value == "accurate"

    def _form(self, _value: str) -> None:
        """Whoever answers has read it."""

    def query(self, pairs: Sequence[tuple[str, str]]) -> Query:
        if self.cursor is None:
            self._check_names()
        kept = tuple(
            (name, str(self.count) if name == "_count" else value) for name, value in pairs if name != "_cursor"
        )
        count = 0 if self.is_counted else self.count
        return Query(self.type, tuple(self.clauses), self.patients or (), self.number, tuple(self.includes), self.sort, count, self.cursor,
                     self.total or not count, kept)  # fmt: skip

    def _check_names(self) -> None:
        """A Patient search by name needs two of family, given and birth date, or an identifier: no browsing by
        surname."""
        if self.type != "Patient" or self.patients or self.number:
            return
        names = {clause.param for clause in self.clauses}
        if "identifier" not in names and len(names & {"family", "given", "birthdate"}) < 2:
            raise Invalid("a search of Patient needs an identifier, or two of family, given and birthdate")


_CONTROLS = {
    "_id": _Reader._id, "_lastUpdated": _Reader._updated, "_count": _Reader._count, "_sort": _Reader._sort, "_include": _Reader._include,
    "_cursor": _Reader._cursor, "_total": _Reader._total, **dict.fromkeys(FORM, _Reader._form), "_summary": _Reader._summary,
    "_elements": _Reader._form,
}  # fmt: skip


def _split(text: str, mark: str) -> list[str]:
    """Split at each mark that no backslash escapes; a backslash may itself be escaped.

    >>> _split(r"a\\\\,b\\,c", ",")
    ['a\\\\\\\\', 'b\\\\,c']
    """
    parts, start, at = [], 0, 0
    while at < len(text):
        if text[at] == mark:
            parts.append(text[start:at])
            start = at + 1
        at += 2 if text[at] == "\\" else 1
    return [*parts, text[start:]]


def _unescape(text: str) -> str:
    return re.sub(r"\\([,|$\\])", r"\1", text)


def _token(name: str, text: str, implied: str | None = None) -> tuple[str | None, str | None]:
    """(system, code); no code means any of the system. The ``implied`` system of a code alone is as none."""
    parts = [_unescape(part) for part in _split(text, "|")]
    if len(parts) > 2 or not any(parts):
        raise Invalid(f"{named(name)}: code, |code, system| or system|code")
    if len(parts) == 1:
        return None, parts[0]
    return "" if parts[0] == implied else parts[0], parts[1] or None


def _date(name: str, text: str, now: int) -> tuple[str, int, int]:
    prefix = text[:2] if text[:2] in PREFIXES else "eq"
    try:
        low, high = dates.interval((text[2:] if text[:2] in PREFIXES else text).replace(" ", "+"))
    except Invalid:
        raise Invalid(named(name)) from None
    return (prefix, *(dates.widened(low, high, now) if prefix == "ap" else (low, high)))


def _reference(name: str, text: str, targets: tuple[str, ...]) -> tuple[str, str]:
    kind, _, id_ = text.rpartition("/")
    if ":" in text:  # at another server: found only where a resource refers to just that
        return kind, id_
    kind = kind or (targets[0] if len(targets) == 1 else "")
    if kind not in targets or not _ID.match(id_):
        raise Invalid(f"{named(name)}: Type/id")
    return kind, id_


def clause_hashes(clause: Clause) -> list[int]:
    """The 64-bit hashes a token or reference clause is found by."""
    if clause.kind == "reference":
        return [token_hash("", f"{kind}/{id_}") for kind, id_ in clause.values]
    return [token_hash(system or None if clause.param in PLAIN else system, code) for system, code in clause.values]

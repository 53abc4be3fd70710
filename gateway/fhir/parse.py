"""A search request becomes a Query, or is refused by the name of what we do not know. Values are never repeated in an
error.

Source: FHIR R4 search. ``patient``, ``subject`` and the chained ``patient.identifier`` say who is asked about; the
rest are clauses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from gateway.errors import Invalid, TooLarge, Unsupported
from gateway.fhir import dates, params
from gateway.fhir.codes import NHS_NUMBER
from gateway.fhir.matching import by_date, clauses
from gateway.fhir.matching.escapes import split
from gateway.fhir.plan import narrowed
from gateway.fhir.r4.defined import Definition
from gateway.fhir.search import Clause, Include, Query

MOST_CLAUSES, MOST_VALUES, MOST_COUNT, USUAL_COUNT = 30, 50, 250, 50
MOST_KEYS, MOST_HOPS = 5, 3
"""The most keys of a ``_sort``, and the most references that one chain follows."""
FORM = frozenset({"_format", "_pretty"})
"""What the answer shall look like: whoever answers has read it."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,48}(:[A-Za-z]{1,24}(-[a-z]{1,8})?)?\Z")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_CURSOR = re.compile(r"[A-Za-z0-9_\-=]{1,2000}\Z")
CHAINS = (".identifier", ":Patient.identifier")
"""Chained parameters that say who is asked about, after ``patient`` or ``subject``: the person's NHS number."""


def parse(
    resource_type: str, pairs: Sequence[tuple[str, str]], now: int | None = None, is_lenient: bool = False
) -> Query:
    """https://hl7.org/fhir/R4/search.html

    The query of a search. Raises ``Unsupported`` for what we do not know, ``Invalid`` for a value that cannot be read,
    both by name. A lenient search leaves out the parameters that we do not know, and names them.

    >>> parse("Observation", [("patient", "Patient/p1"), ("code", "http://loinc.org|718-7")]).patients
    ('p1',)
    """
    if len(pairs) > MOST_CLAUSES:
        raise TooLarge("too many parameters")
    reader = _Reader(resource_type, dates.microseconds_now() if now is None else now)
    kept: list[tuple[str, str]] = []
    ignored: list[str] = []
    for name, value in pairs:
        try:
            reader.take(name, value)
            kept.append((name, value))
        except Unsupported as unknown:
            if not is_lenient:
                raise
            ignored.append(str(unknown))
    return reader.query(kept, tuple(ignored))


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


def page_size(value: str) -> int:
    """The resources on a page that ``_count`` asks for, ``MOST_COUNT`` at most; 0 asks for the total alone. Raises
    ``Invalid``.

    >>> page_size("20"), page_size("999")
    (20, 250)
    """
    if not re.fullmatch(r"[0-9]{1,6}", value, re.ASCII):
        raise Invalid("parameter _count")
    return min(int(value), MOST_COUNT)


def local(resource_type: str, pairs: Sequence[tuple[str, str]], base: str) -> list[tuple[str, str]]:
    """The pairs with references to resources of this server, which is at ``base``, as relative ones: the two are the
    same (R4 search, reference). A reference to another server stays as it is, and finds none of ours.

    >>> local("Observation", [("patient", "https://ours/fhir/Patient/p1")], "https://ours/fhir")
    [('patient', 'Patient/p1')]
    """
    names = {name for name, row in params.searchable(resource_type).items() if row.kind == "reference"}
    references = names | set(params.about(resource_type))
    return [
        (name, ",".join(text.removeprefix(f"{base}/") for text in value.split(",")))
        if name.partition(":")[0] in references and not name.endswith(":identifier")
        else (name, value)
        for name, value in pairs
    ]


class _Reader:
    """Reads one parameter after another into the parts of a query."""

    def __init__(self, resource_type: str, now: int):
        self.type, self.now = resource_type, now
        self.who = params.about(resource_type)
        self.chained = {who + chain for who in self.who for chain in CHAINS}
        self.clauses: list[Clause] = []
        self.includes: list[Include] = []
        self.revincludes: list[Include] = []
        self.patients: tuple[str, ...] | None = None
        self.number: str | None = None
        self.listed: str | None = None
        self.cursor: str | None = None
        self.count, self.total, self.is_counted = USUAL_COUNT, False, False
        self.sort = ("date" if params.main_date(resource_type) else "_lastUpdated", True)
        self.order: tuple[tuple[str, bool], ...] = ()

    def take(self, name: str, value: str) -> None:
        if not value:
            raise Invalid(named(name))
        if name in self.chained:
            self._number(name, value)
        elif name in params.listing(self.type):
            self._list(name, value)
        elif name.removesuffix(":Patient") in self.who:
            self._who(name, value)
        elif name in _CONTROLS:
            _CONTROLS[name](self, value)
        elif self.type == "Patient" and name == "identifier" and value.startswith(NHS_NUMBER + "|"):
            self._number(name, value)
        else:
            self.clauses.append(clause(self.type, name, value, self.now))

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

    def _list(self, name: str, value: str) -> None:
        """The people on a list. R4's functional lists (``$current-problems``) are not kept."""
        kind, _, id_ = value.rpartition("/")
        if value.startswith("$"):
            raise Unsupported(f"{named(name)}: a Group, no functional list")
        if kind not in ("", "Group") or not _ID.match(id_) or self.listed is not None:
            raise Invalid(f"{named(name)}: one Group")
        self.listed = id_

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
        row = params.searchable(self.type)["_lastUpdated"]
        read = (by_date.read("parameter _lastUpdated", row, "", text, self.now) for text in value.split(","))
        self.clauses.append(Clause("_lastUpdated", "date", tuple(read)))

    def _count(self, value: str) -> None:
        self.count = page_size(value)

    def _summary(self, value: str) -> None:
        """Of the kinds of summary only a count concerns the search; ``subset`` reads the others."""
        self.is_counted |= value == "count"

    def _sort(self, value: str) -> None:
        keys = tuple((key.removeprefix("-"), key.startswith("-")) for key in value.split(","))
        main = params.main_date(self.type)
        if len(keys) > MOST_KEYS or not all(self._is_sortable(name) for name, _ in keys):
            raise Unsupported("parameter _sort: up to five search parameters of the type")
        (name, descending), *more = keys
        is_main = main is not None and name in (main.name, "date")
        if more or not (is_main or name == "_lastUpdated"):
            self.order = keys
        else:
            self.sort = ("date" if is_main else "_lastUpdated", descending)

    def _is_sortable(self, name: str) -> bool:
        row, main = params.searchable(self.type).get(name), params.main_date(self.type)
        return name == "date" and main is not None or row is not None and row.kind in clauses.KINDS

    def _include(self, value: str, iterates: bool = False) -> None:
        self.includes.append(self._included("_include", value, iterates))

    def _include_on(self, value: str) -> None:
        self._include(value, iterates=True)

    def _revinclude(self, value: str, iterates: bool = False) -> None:
        self.revincludes.append(self._included("_revinclude", value, iterates))

    def _revinclude_on(self, value: str) -> None:
        self._revinclude(value, iterates=True)

    def _included(self, name: str, value: str, iterates: bool) -> Include:
        """What to include. One that does not iterate begins, or for ``_revinclude`` ends, at the type searched."""
        kind, _, rest = value.partition(":")
        param, _, target = rest.partition(":")
        targets = params.includes(kind).get(param, ())
        is_near = iterates or (
            kind == self.type if name == "_include" else (kind, param) in params.referring(self.type)
        )
        if not targets or not is_near or (target and target not in targets):
            allowed = ", ".join(f"{self.type}:{param}" for param in sorted(params.includes(self.type)))
            is_told = name == "_include" and not iterates and allowed
            raise Unsupported(f"parameter {name}: {allowed if is_told else 'Type:parameter'}")
        return Include(kind, param, target, iterates)

    def _cursor(self, value: str) -> None:
        if not _CURSOR.match(value):
            raise Invalid("parameter _cursor")
        self.cursor = value

    def _total(self, value: str) -> None:
        if value not in ("none", "estimate", "accurate"):
            raise Unsupported("parameter _total")
        self.total = value != "none"

    def _form(self, _value: str) -> None:
        """Whoever answers has read it."""

    def query(self, pairs: Sequence[tuple[str, str]], ignored: tuple[str, ...]) -> Query:
        if self.listed is not None and (self.patients is not None or self.number is not None):
            raise Invalid("a search names one person, or one list of people")
        if self.cursor is None:
            self._check_names()
        kept = tuple(
            (name, str(self.count) if name == "_count" else value) for name, value in pairs if name != "_cursor"
        )
        count = 0 if self.is_counted else self.count
        return Query(self.type, tuple(self.clauses), self.patients or (), self.number, tuple(self.includes), self.sort, count, self.cursor,
                     self.total or not count, kept, self.order, tuple(self.revincludes), ignored,
                     self.listed)  # fmt: skip

    def _check_names(self) -> None:
        """A Patient search by name needs two of family, given and birth date, or an identifier: no browsing by
        surname."""
        if self.type != "Patient" or self.patients or self.number or self.listed:
            return
        asked = narrowed(Query(self.type, tuple(self.clauses))).clauses
        names = {clause.param for clause in asked}
        if "identifier" not in names and len(names & {"family", "given", "birthdate"}) < 2:
            raise Invalid("a search of Patient needs an identifier, or two of family, given and birthdate")


_CONTROLS: dict[str, Callable[[_Reader, str], None]] = {
    "_id": _Reader._id, "_lastUpdated": _Reader._updated, "_count": _Reader._count, "_sort": _Reader._sort, "_include": _Reader._include,
    "_include:iterate": _Reader._include_on, "_revinclude": _Reader._revinclude, "_revinclude:iterate": _Reader._revinclude_on,
    "_cursor": _Reader._cursor, "_total": _Reader._total, **dict.fromkeys(FORM, _Reader._form), "_summary": _Reader._summary,
    "_elements": _Reader._form,
}  # fmt: skip


def clause(resource_type: str, name: str, value: str, now: int, hops: int = 0) -> Clause:
    """The clause of one parameter of a type. Raises ``Unsupported`` or ``Invalid`` by name.

    >>> clause("Observation", "status:not", "final", 0).modifier
    'not'
    """
    if hops > MOST_HOPS:
        raise Unsupported(f"{named(name)}: too many references")
    if name.startswith("_has:"):
        return _has(resource_type, name, value, now, hops)
    if "." in name:
        return _chain(resource_type, name, value, now, hops)
    plain, _, modifier = name.partition(":")
    row = params.searchable(resource_type).get(plain)
    if row is None or not _is_taken(row, modifier):
        reason = params.REFUSED.get(plain) if row is None else None
        raise Unsupported(f"{named(name)}: {reason}" if reason else named(name))
    texts = split(value, ",")
    if len(texts) > MOST_VALUES:
        raise TooLarge(named(name))
    if not all(texts):
        raise Invalid(named(name))
    values = [clauses.read(named(name), row, modifier, text, now) for text in texts]
    if row.kind == "reference" and modifier not in (clauses.MISSING, "identifier"):
        values, modifier = [led for value in values for led in _led(row, *value)], ""
    return Clause(plain, row.kind, tuple(values), modifier)


def _is_taken(row: Definition, modifier: str) -> bool:
    is_type = row.kind == "reference" and modifier in params.SEARCHABLE and row.leads_to(modifier)
    return not modifier or is_type or modifier in clauses.modifiers(row)


def _led(row: Definition, type_: str, id_: str) -> list[tuple[str, str]]:
    """What an id alone may lead to, where a parameter is indexed: each type has another entry."""
    is_indexed = row.name in params.indexed(row.type)
    if type_ or not is_indexed:
        return [(type_, id_)]
    return [(target, id_) for target in params.includes(row.type).get(row.name, ())]


def _chain(resource_type: str, name: str, value: str, now: int, hops: int) -> Clause:
    """A clause on what a reference leads to (``encounter.type``, ``subject:Patient.gender``): on each type that has
    the parameter, where none is named."""
    link, _, rest = name.partition(".")
    plain, _, wanted = link.partition(":")
    targets = [type_ for type_ in params.includes(resource_type).get(plain, ()) if wanted in ("", type_)]
    led = [(type_, clause(type_, rest, value, now, hops + 1)) for type_ in targets if _is_known(type_, rest)]
    if not led:
        raise Unsupported(named(name))
    return Clause(plain, "chain", tuple(led))


def _is_known(resource_type: str, name: str) -> bool:
    """Whether a type has the parameter that a chain goes on with."""
    first = re.split(r"[.:]", name)[0]
    return first == "_has" or first in params.searchable(resource_type)


def _has(resource_type: str, name: str, value: str, now: int, hops: int) -> Clause:
    """A clause on what refers to a resource (``_has:Observation:patient:code``)."""
    parts = name.split(":", 3)
    if len(parts) != 4 or (parts[1], parts[2]) not in params.referring(resource_type):
        raise Unsupported("parameter _has: _has:Type:reference:parameter")
    return Clause("_has", "has", ((parts[1], parts[2], clause(parts[1], parts[3], value, now, hops + 1)),))

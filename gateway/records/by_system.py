"""Searches by a code system alone (``code=system|``): no index holds them, so what lies within the limits is read.

https://hl7.org/fhir/R4/search.html#token: "any element of that system". What one person has of a type is read in a few
milliseconds; a directory is read up to a bound.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.errors import TooLarge
from gateway.fhir import build, params, paths
from gateway.fhir.codes import tokens
from gateway.fhir.search import Clause, Query
from gateway.nhs import access, links
from gateway.store import find
from gateway.store.resources import Stored
from gateway.store.session import Session

MOST_READ = 5000


def resolved(session: Session, query: Query, decision: access.Decision) -> Query:
    """The query with such clauses replaced by the ids of what they match within the decision's limits. Raises
    ``TooLarge`` where more would have to be read."""
    read = [clause for clause in query.clauses if _is_by_system(clause)]
    if not read:
        return query
    indexed = tuple(clause for clause in query.clauses if not _is_by_system(clause))
    candidates = find.find(session, replace(query, clauses=indexed, count=MOST_READ), decision.limits)
    if len(candidates) > MOST_READ:
        raise TooLarge("too much would have to be read: add search parameters")
    ids = tuple(
        candidate.id for candidate in candidates if all(_matches(candidate, clause, decision) for clause in read)
    )
    return replace(query, clauses=(*indexed, Clause("_id", "id", ids)))


def is_needed(query: Query) -> bool:
    """Whether a query has such a clause."""
    return any(map(_is_by_system, query.clauses))


def _is_by_system(clause: Clause) -> bool:
    return clause.kind == "token" and any(code is None for _, code in clause.values)


def _matches(candidate: Stored, clause: Clause, decision: access.Decision) -> bool:
    """Whether a resource matches as this caller sees it."""
    resource = build.decode(candidate.body)
    if decision.blanks(candidate.publisher, candidate.labels):
        resource = links.redact(resource)
    path = paths.path(params.row(candidate.type, clause.param).paths[candidate.type])
    held = tokens(paths.values(resource, path))
    return any(
        (system is None or system == held_system) and code in (None, held_code)
        for system, code in clause.values
        for held_system, held_code in held
    )

"""A search divided: the clauses that the index narrows it by, and those that are left to a filter.

The index finds what ``params.PARAMS`` has a row for. What it finds may be more than was asked (``exact``), and then the
filter looks again; what it cannot find at all, the filter finds among everything else that the index left.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.fhir import params, token_index
from gateway.fhir.search import Clause, Query


def narrowed(query: Query) -> Query:
    """The query with those of its clauses that the index answers."""
    return replace(query, clauses=tuple(clause for clause in query.clauses if _narrows(query.type, clause)))


def left(query: Query) -> tuple[Clause, ...]:
    """The clauses that the index does not answer, or not to the letter."""
    return tuple(clause for clause in query.clauses if not _narrows(query.type, clause) or clause.modifier)


def _narrows(resource_type: str, clause: Clause) -> bool:
    """Whether the index finds at least all that matches a clause, and little else."""
    if clause.kind == "id" or (clause.param, clause.modifier) == ("_lastUpdated", ""):
        return True
    row = params.indexed(resource_type).get(clause.param)
    if row is None or clause.kind != row.kind or (resource_type, clause.param) in params.NARROWER:
        return False
    if clause.modifier:
        return (clause.kind, clause.modifier) == ("string", "exact")
    return token_index.is_held(resource_type, clause)

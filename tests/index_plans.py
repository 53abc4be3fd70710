"""Plans of the search index other than the one in force."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway.fhir import index, params

ADDED_SINCE_0_1 = ("FamilyMemberHistory", "Specimen", "RelatedPerson", "CarePlan")
"""The types that version 0.1 stored and had no search parameters for. It had the rows of every other
type."""


@contextmanager
def without(*types: str) -> Iterator[None]:
    """Index as a version does whose table has no search parameters for these types."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(params, "_BY_TYPE", {**params._BY_TYPE, **{name: {} for name in types}})
        index._compiled.cache_clear()
        try:
            yield
        finally:
            index._compiled.cache_clear()

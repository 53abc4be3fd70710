"""Building resources as plain dicts, in the one shape that the store can splice.

Every resource begins ``{"resourceType":…,"id":…,"meta":{``, so that the store can add versionId, lastUpdated, source
and security at a constant offset on the way out, without parsing.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypedDict

import msgspec

_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder(float_hook=Decimal)
_NOTHING = frozenset({str, list, tuple, dict, type(None)})
"""The types whose false value says nothing; those of 0 and False do."""


def resource(
    resource_type: str,
    id_: str,
    profile: str | None = None,
    security: Iterable[str] = (),
    *,
    is_clean: bool = False,
    **elements: Any,
) -> dict[str, Any]:
    """Return a resource with its empty elements left out, in the order given.

    ``profile`` is the canonical URL of the UK Core profile. ``security`` names labels of ``nhs.sensitive`` (``R``,
    ``NOPAT``, ``withheld``); intake takes them off again and keeps them as bits, because labels belong to the resource
    and not to the version. ``class_``, ``for_`` and the like lose their underscore. ``is_clean`` says that nothing
    empty lies inside the elements, so that only the outer ones are looked at: most rows of a practice come this way.

    >>> resource("Patient", "p1", gender="female", name=[], active=True)
    {'resourceType': 'Patient', 'id': 'p1', 'meta': {}, 'gender': 'female', 'active': True}
    """
    meta: dict[str, Any] = {}
    if profile:
        meta["profile"] = [profile]
    if security:
        meta["security"] = list(security)
    built = {"resourceType": resource_type, "id": id_, "meta": meta}
    for name, value in elements.items():
        if not is_clean:
            value = without_empty(value)
        if value or (type(value) not in _NOTHING and value == 0):
            built[name[:-1] if name[-1] == "_" else name] = value
    return built


def without_empty(value: Any) -> Any:
    """Return ``value`` with every empty string, list, dict and None inside it left out (FHIR allows none of them).

    >>> without_empty({"a": "", "b": [{}, {"c": None}], "d": [0, False, "e"]})
    {'d': [0, False, 'e']}
    """
    if isinstance(value, dict):
        kept: dict[str, Any] = {}
        for name, inner in value.items():
            if type(inner) is not str:  # most are, and have nothing inside
                inner = without_empty(inner)
            if inner or _is_something(inner):
                kept[name] = inner
        return kept
    if isinstance(value, (list, tuple)):
        items = [item if type(item) is str else without_empty(item) for item in value]
        return [item for item in items if item or _is_something(item)]
    return value


def _is_something(value: Any) -> bool:
    """Whether a value that is false in Python says something: 0, False."""
    return type(value) not in _NOTHING and value not in ("", [], {})


def encode(resource: dict[str, Any]) -> bytes:
    """Return the JSON bytes as stored and served; a ``Decimal`` keeps its digits (``1.00`` stays ``1.00``)."""
    return _encoder.encode(resource)


def decode(body: bytes) -> dict[str, Any]:
    """Return the plain dict of stored bytes, decimals as ``Decimal``."""
    resource: dict[str, Any] = _decoder.decode(body)
    return resource


def elements(body: bytes, *names: str) -> dict[str, Any]:
    """Some elements of stored bytes. The others are passed over: half the time, and no memory."""
    return reader(names)(body)


@lru_cache(maxsize=1024)
def reader(names: tuple[str, ...]) -> Callable[[bytes], dict[str, Any]]:
    """The function ``elements`` of these names.

    >>> reader(("class", "status"))(b'{"id":"a","class":{"code":"AMB"}}')
    {'class': {'code': 'AMB'}}
    """
    kind = TypedDict("kind", dict.fromkeys(names, Any), total=False)  # type: ignore[misc]
    decoder: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(kind, float_hook=Decimal)
    return decoder.decode

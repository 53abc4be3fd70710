"""Feeds: the tables of ``GATEWAY_FEEDS``, which set the encoding, time zone and options of each stream."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from zoneinfo import ZoneInfo

from gateway import config
from gateway.errors import Refused
from mappings import Feed, sources

WATCH, PGP, LIST_SIZES = "watch", "pgp", "list_sizes"
OF_THE_WAY = frozenset({WATCH, PGP, LIST_SIZES})
"""The keys that say how deliveries of any source come in. Who uses them reads them (``gateway.intake``)."""
DEFAULT = "default"
"""The feed that needs no table."""


def read(settings: config.Settings, name: str) -> Feed:
    """Return the feed of this name. Raises ``Refused`` naming the key that cannot be used.

    ``encoding``, ``zone`` and ``default`` mean the same for every source. A source documents any other key, and names
    it in ``Source.settings``. A key that none of them names is refused: a misspelt ``default`` would share what was to
    be withheld.
    """
    tables = config.tables(settings.feeds, "GATEWAY_FEEDS")
    if name not in tables and name != DEFAULT:
        raise Refused("GATEWAY_FEEDS has no table of that name")
    table = tables.get(name, {})
    if not isinstance(table, dict):
        raise Refused(f"GATEWAY_FEEDS: {name} is no table")
    for key, is_usable in CHECKS.items():
        if key in table and not is_usable(table[key]):
            raise Refused(f"GATEWAY_FEEDS: {name}: {key}")
    known = frozenset(CHECKS).union(OF_THE_WAY, *(source.settings for source in sources().values()))
    if unknown := sorted(table.keys() - known):
        raise Refused(f"GATEWAY_FEEDS: {name}: a key that no source knows, number {[*table].index(unknown[0]) + 1}")
    shared = {key: table[key] for key in CHECKS if key in table}
    return Feed(name=name, settings={key: table[key] for key in table if key not in CHECKS}, **shared)


def watched(settings: config.Settings) -> list[Feed]:
    """Return the feeds whose table says what is watched for them."""
    every = [read(settings, name) for name in config.tables(settings.feeds, "GATEWAY_FEEDS")]
    return [feed for feed in every if WATCH in feed.settings]


def list_sizes(settings: config.Settings) -> dict[str, int]:
    """Return how many people publishers say that they have, by ODS or publisher code, of all feeds. Raises ``Refused``
    naming the feed of a table that is none."""
    sizes: dict[str, int] = {}
    for name in config.tables(settings.feeds, "GATEWAY_FEEDS"):
        table = read(settings, name).settings.get(LIST_SIZES, {})
        if not isinstance(table, dict) or not all(type(size) is int and size >= 0 for size in table.values()):
            raise Refused(f"GATEWAY_FEEDS: {name}: {LIST_SIZES} has a number for each publisher")
        sizes |= table
    return sizes


def defaults(settings: config.Settings) -> dict[str, str]:
    """What becomes of uncoded results (``share``, ``withhold``) by the publisher that feeds name. Of two feeds of one
    publisher the stricter counts."""
    by_publisher: dict[str, str] = {}
    for name in config.tables(settings.feeds, "GATEWAY_FEEDS"):
        feed = read(settings, name)
        publisher = str(feed.settings.get("publisher", ""))
        if publisher and by_publisher.get(publisher) != "withhold":
            by_publisher[publisher] = feed.default
    return by_publisher


def names(settings: config.Settings) -> frozenset[str]:
    """Return the feeds that have a table."""
    return frozenset(config.tables(settings.feeds, "GATEWAY_FEEDS"))


def check(settings: config.Settings) -> None:
    """Read every feed, as a load of it would. Raises ``Refused`` naming what cannot be used."""
    for name in config.tables(settings.feeds, "GATEWAY_FEEDS"):
        read(settings, name)


def _is_encoding(name: object) -> bool:
    try:
        return isinstance(name, str) and bool(codecs.lookup(name))
    except LookupError:
        return False


def _is_zone(name: object) -> bool:
    try:
        return isinstance(name, str) and bool(ZoneInfo(name))
    except (OSError, ValueError, LookupError):
        return False


def _is_default(word: object) -> bool:
    return word in ("share", "withhold")


CHECKS: dict[str, Callable[[object], bool]] = {"encoding": _is_encoding, "zone": _is_zone, "default": _is_default}
"""The keys that every feed's table may have, and whether a value of each can be used."""

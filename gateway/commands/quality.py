"""``gateway quality``: how good the data of each publisher is, in counts."""

from __future__ import annotations

import json

from gateway.commands._failures import OK
from gateway.commands._options import AsJson
from gateway.commands._start import opened


def quality(as_json: AsJson = False) -> int:
    """Show what each publisher sends: its people and list size, what is coded, what was rejected, how fresh it is.

    It counts over the whole store and the deliveries of the last 30 days, and names nobody.
    """
    with opened() as gateway:
        from gateway import console, feeds
        from gateway.records.quality import CAUSES, measure

        publishers, sources = measure(gateway.store, feeds.list_sizes(gateway.settings))
    by_publisher, by_source = [row.as_dict() for row in publishers], [row.as_dict() for row in sources]
    if as_json:
        for row in by_publisher + by_source:
            print(json.dumps(row))
    else:
        console.quality(by_publisher, by_source, CAUSES)
    return OK


VERB = quality

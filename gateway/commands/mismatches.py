"""``gateway mismatches``: records that share an NHS number and were not gathered."""

from __future__ import annotations

import json

from gateway import steering
from gateway.commands._failures import OK
from gateway.commands._options import Actor, AsJson
from gateway.commands._start import acting


def mismatches(by: Actor = "operator", as_json: AsJson = False) -> int:
    """List the Patients that share an NHS number with another and were not gathered with it, and why.

    Neither the number nor what they hold is printed; that the list was read is audited. Those with one `number` in the
    list share one: somebody has to find out which is wrong, at its source.
    """
    with acting() as gateway:
        from gateway.records import mismatched
        from gateway.store import changes

        listed = mismatched.mismatches(gateway.store)
        with gateway.store.write() as session:
            changes.record_write(session, {"act": "mismatch.list", "by": by, "count": len(listed)})
    for mismatch in listed:
        words = f"{mismatch.number}  Patient/{mismatch.id} of {mismatch.source} {mismatch.publisher}: {mismatch.why}"
        print(json.dumps(mismatch.plain()) if as_json else steering.line(words))
    return OK


VERB = mismatches

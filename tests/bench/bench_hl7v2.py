"""Result messages to FHIR, on one core. Read, keyed and mapped, against its limit."""

from __future__ import annotations

import time
from collections.abc import Iterator

from gateway.fhir.build import encode
from gateway.memory import seldom_collected
from mappings import Feed
from mappings.hl7v2.message import parse
from mappings.hl7v2.reader import row
from tests.bench.room import Room
from tests.bench.table import Line
from tests.mappings.harness_hl7v2 import map_rows

MESSAGES = 2000
LIMIT = 1_300
"""Messages of fifteen results a second, from bytes to FHIR bytes: the rate of the best peer, which drops numeric
results (performance.md, P3)."""


def message(number: int) -> bytes:
    """Return an ORU of twenty segments for one of five hundred patients."""
    patient = number % 500
    tests = [
        f"OBX|{n}|NM|T{n:02}^Test "
        f"{n}^LIMS^1022431000000105^Test^SCT||{number % 97}.{n}0|g/L|4.0-11.0|N|||F|||20250601081500"
        for n in range(1, 16)
    ]
    segments = [
        f"MSH|^~\\&|LIMS|RXQ01|TIE|RXQ|20250602113000||ORU^R01^ORU_R01|B{number}|T|2.4",
        f"PID|1||Q{patient:06}^^^RXQ^PI||Hartley^Rose^^^Mrs||19580214|F",
        f"PV1|1|I|WARD7||||||||||||||||{patient}^^^RXQ^VISITID",
        f"ORC|RE|P{number}^PAS|F{number}^LIMS",
        f"OBR|1|P{number}^PAS|F{number}^LIMS|FBC^Full blood "
        f"count^LIMS|||20250602081500|||||||||||||||20250602112500||HM|F",
        *tests,
    ]
    return "\r".join(segments).encode()


def rate(work) -> float:
    begun = time.process_time()
    work()
    return MESSAGES / (time.process_time() - begun)


def measure(room: Room) -> Iterator[Line]:
    """The garbage is collected as seldom as in a load. Each step counts with the best of three runs."""
    payloads = [message(number) for number in range(MESSAGES)]
    with seldom_collected():
        runs = [_steps(payloads) for _ in range(3)]
    parsed, read, mapped, encoded = (max(step) for step in zip(*(rates for _, rates in runs)))
    resources = runs[0][0] / MESSAGES
    whole = 1 / sum(1 / step for step in (read, mapped, encoded))
    steps = f"split {parsed:,.0f}, read {read:,.0f}, map {mapped:,.0f}, encode {encoded:,.0f}"
    beside = f"{steps}; {whole * resources:,.0f} resources/s"
    yield Line("hl7v2, ORU of 20 segments to FHIR bytes", whole, "messages/s", beside, LIMIT)


def _steps(payloads: list[bytes]) -> tuple[int, tuple[float, ...]]:
    """How many resources the messages come to, and the rates of splitting, reading, mapping and encoding."""
    feed, rows, resources = Feed(), [], []
    rates = (
        rate(lambda: [[segment[11] for segment in parse(payload.decode()).segments] for payload in payloads]),
        rate(lambda: rows.extend(row(payload, feed) for payload in payloads)),
        rate(lambda: resources.extend(map_rows(rows, feed))),
        rate(lambda: [encode(each) for each in resources]),
    )
    return len(resources), rates

"""A long message costs no more a line than a short one: of thousands of orders or results, of any kind."""

from __future__ import annotations

import gc
import time

import pytest

from mappings import Feed
from mappings.hl7v2.reader import row
from tests.mappings.harness_hl7v2 import PID, map_rows

pytestmark = pytest.mark.slow
SHORT, TIMES = 200, 5
"""Lines of the short message, and how many times as many the long one has."""
MOST = 2.5
"""How many times as much a line of the long message may cost. What is quadratic costs five times as much."""
HEAD = "MSH|^~\\&|LIMS|RXX|TIE|RXX|20250602113000||ORU^R01|L1|T|2.4"
ORDER = "OBR|1|P{0}^PAS|F{0}^LIMS|FBC^Full blood count^LIMS|||20250602081500|||||||||||||||20250602112500||HM|F"
LINES = {
    "tests": "OBX|{0}|NM|T{0}^Test^LIMS||{0}.5|g/L|4-11|N|||F",
    "repeats of one test": "OBX|{0}|NM|T^Test^LIMS||{0}.5|g/L|4-11|N|||F",
    "lines of a text": "OBX|{0}|TX|T^Text^LIMS||Line {0}||||||F",
    "flags and ranges of a text": "OBX|{0}|TX|T^Text^LIMS||Line {0}||{0}-{0}.5|X{0}|||F",
    "susceptibilities": "OBX|{0}|ST|A{0}^Drug^LIMS|1|S|||S|||F",
    "organisms": "OBX|{0}|CE|ORG^Organism^LIMS|{0}|E{0}^Organism {0}^LIMS||||||F",
    "parts of a document": "OBX|{0}|ED|DOC^Letter^LIMS|1|^TEXT^^A^Part {0} ||||||F",
    "orders": ORDER + "\rOBX|1|NM|T^Test^LIMS||{0}.5|g/L|4-11|N|||F",
}


def cost(kind: str, lines: int) -> float:
    """Seconds of processor time a line, from bytes to resources; the least of three runs."""
    first = [] if kind == "orders" else [ORDER.format(0)]
    payload = "\r".join([HEAD, PID, *first, *(LINES[kind].format(number) for number in range(lines))]).encode()
    spent = []
    for _ in range(3):
        gc.collect()
        begun = time.process_time()
        resources = map_rows([row(payload, Feed())], Feed())
        spent.append((time.process_time() - begun) / lines)
        assert resources
    return min(spent)


@pytest.mark.parametrize("kind", LINES)
def test_a_line_of_a_long_message_costs_no_more(kind):
    cost(kind, 10)
    assert cost(kind, SHORT * TIMES) < MOST * cost(kind, SHORT)

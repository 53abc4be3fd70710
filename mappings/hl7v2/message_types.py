"""THE TABLE of message types that are read, and the segments without which a message is not whole.

Facts: HL7 v2.4 to v2.8, chapters 3 (ADT), 4 (orders, vaccinations), 7 (results), 9 (documents). A type without a row is
refused, not guessed.
"""

from __future__ import annotations

from typing import NamedTuple

from mappings.hl7v2.events import EVENTS


class Type(NamedTuple):
    """``table`` is the table of the rows that hold such messages; a whole message has one of the segments ``needs``."""

    table: str
    needs: tuple[str, ...] = ()


ADT, RESULT, DOCUMENT, ORDER, VACCINE, BOOKING = "ADT", "ORU", "MDM", "ORM", "VXU", "SIU"
_LETTER = Type(DOCUMENT, ("TXA",))
TYPES = {
    **{(ADT, event): Type(ADT) for event in EVENTS},
    ("ORU", "R01"): Type(RESULT, ("OBR",)),  # results
    ("ORU", "R30"): Type(RESULT, ("OBR",)),  # point of care: the order is not known yet
    ("ORU", "R31"): Type(RESULT, ("OBR",)),  # point of care: look for the order
    ("ORU", "R32"): Type(RESULT, ("OBR",)),  # point of care: the order was placed before
    **{("SIU", event): Type(BOOKING, ("SCH",)) for event in ("S12", "S13", "S14", "S15", "S16", "S17", "S26")},
    ("VXU", "V04"): Type(VACCINE, ("RXA",)),  # vaccinations
    ("ORM", "O01"): Type(ORDER, ("OBR", "ORC")),  # order
    ("ORR", "O02"): Type(ORDER, ("ORC",)),  # and its answer
    ("OML", "O21"): Type(ORDER, ("OBR", "ORC")),  # laboratory order
    ("OML", "O33"): Type(ORDER, ("OBR", "ORC")),  # by specimen
    ("OML", "O35"): Type(ORDER, ("OBR", "ORC")),  # by specimen and container
    ("OMG", "O19"): Type(ORDER, ("OBR", "ORC")),  # general order
    **{("MDM", f"T{number:02d}"): _LETTER for number in range(1, 12)},
}
ALSO_ALLERGIES = (ORDER, VACCINE)
"""Tables of messages of which allergies are read, beside ADT: who orders or gives something is told of them."""
NOT_READ = ("RXO", "RXE", "RXD", "RXG", "RQD", "ODS", "ODT")
"""Segments of orders of medicines, supplies and diet, which are not read."""
TABLES = frozenset(type_.table for type_ in TYPES.values())
"""The tables of rows that hold messages; others hold what is looked up of them."""

"""Dates: any text is a date of FHIR's calendar, "" or ``Invalid``, in each format that is read."""

from __future__ import annotations

import re
from contextlib import suppress

from gateway.errors import Invalid
from gateway.fhir import dates
from mappings import Values
from mappings.cld.times import iso
from mappings.community.delivery import created
from mappings.community.times import moment as community_moment
from mappings.emis.values import day, partial
from mappings.hl7v2 import times as hl7
from mappings.tpp.times import day as tpp_day
from mappings.tpp.times import when as tpp_when

MODULES = ("gateway.fhir.dates", "mappings.cld.times", "mappings.community.times", "mappings.community.delivery",
           "mappings.emis.values", "mappings.hl7v2.times", "mappings.tpp.times")  # fmt: skip
DATE = re.compile(r"(\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?([+-]\d\d:\d\d|Z))?)?)?)?")
FAULTS: tuple[bytes, ...] = ()


def SEEDS() -> list[bytes]:
    texts = (
        "2024-02-29", "2024-10-27T01:30:00+01:00", "9999-12-31", "0001-01-01T00:00:00+14:00", "20241027013000.0000+0100",
        "20240229", "2400", "29/02/2024 00:00:00", "11 Mar 2024 09:31:00", "1899-12-30 09:31:00", "202403310130", "1998-01-01",
        "2024-02-30", "٢٠٢٤-٠١-٠١",
    )  # fmt: skip
    return [text.encode() for text in texts]


def target(data: bytes) -> None:
    text = data.decode("utf-8", "ignore")
    with suppress(Invalid):
        low, high = dates.interval(text)
        assert low <= high
    first, _, second = text.partition(" ")
    readers = (
        lambda: dates.with_offset(iso(first, "D"), second)[0] if iso(first, "D") and re.fullmatch(r"[0-2]\d:\d\d", second) else "",
        lambda: iso(text, "D"),
        lambda: created(text),
        lambda: community_moment(Values(D=first, T=second), "D", "T")[0],
        lambda: day(Values(D=text), "D"),
        lambda: partial(Values(D=text, DPrecision=second[:4]), "D"),
        lambda: tpp_day(Values(D=text), "D"),
        lambda: tpp_when(Values(D=text), "D"),
        lambda: hl7.fhir(text, "Europe/London"),
        lambda: hl7.instant(text, "Europe/London"),
        lambda: hl7.date(text),
    )  # fmt: skip
    for read in readers:
        with suppress(Invalid):
            written = read()
            assert DATE.fullmatch(written) or written == created_form(text), "not a date of FHIR"
    with suppress(Invalid):
        assert 0 <= hl7.order(text, "Europe/London") < 1 << 63


def created_form(text: str) -> str:
    """The minute at which a submission was made, which is no date of FHIR."""
    with suppress(Invalid):
        return created(text)
    return ""

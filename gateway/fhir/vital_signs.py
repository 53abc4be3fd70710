"""The vital-signs profiles of R4, which hold for every Observation with one of their LOINC codes.

https://hl7.org/fhir/R4/observation-vitalsigns.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.fhir.codes import UCUM
from gateway.fhir.issues import Issue
from gateway.fhir.r4 import table

BASE, LOINC = "http://hl7.org/fhir/StructureDefinition/", "http://loinc.org"
CATEGORY = ("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs")
PRESSURES = {"8480-6": "systolic", "8462-4": "diastolic"}
"""The components of a blood pressure."""
_VALUES = frozenset(
    f"{beside}{name}" for element in table.types()["Observation"].elements if element.name == "value[x]"
    for name in element.names for beside in ("", "_")
)  # fmt: skip
_MAGNITUDE, _LENGTH = frozenset({"value", "unit", "system", "code"}), frozenset({"cm", "[in_i]"})


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile. ``units`` are the UCUM codes that its quantity may have; without any it has no
    quantity of its own."""

    name: str
    loinc: str
    units: frozenset[str] = frozenset()


PROFILES = (
    Profile("resprate", "9279-1", frozenset({"/min"})),
    Profile("heartrate", "8867-4", frozenset({"/min"})),
    Profile("oxygensat", "2708-6", frozenset({"%"})),
    Profile("bodytemp", "8310-5", frozenset({"Cel", "[degF]"})),
    Profile("bodyheight", "8302-2", _LENGTH),
    Profile("headcircum", "9843-4", _LENGTH),
    Profile("bodyweight", "29463-7", frozenset({"g", "kg", "[lb_av]"})),
    Profile("bmi", "39156-5", frozenset({"kg/m2"})),
    Profile("bp", "85354-9"),
    Profile("vitalspanel", "85353-1"),
    Profile("vitalsigns", ""),
)  # fmt: skip
_BY_CODE = {profile.loinc: profile for profile in PROFILES if profile.loinc}
_BY_NAME = {BASE + profile.name: profile for profile in PROFILES}

Observation = Mapping[str, Any]


def faults(observation: Observation, place: str) -> Iterator[Issue]:
    """What is wrong with an Observation of a vital sign, by the profiles that its codes ask for and that it names."""
    claimed = [_BY_NAME[url] for url in observation.get("meta", {}).get("profile", ()) if url in _BY_NAME]
    coded = [_BY_CODE[code] for code in _loinc(observation.get("code", {})) if code in _BY_CODE]
    profiles = dict.fromkeys([*claimed, *coded])
    if profiles:
        yield from _of_any(observation, place)
    for profile in profiles:
        if profile.loinc and profile not in coded and profile.name != "vitalspanel":
            yield _issue("required", f"{place}.code", profile.name, "its LOINC code is missing")
        if profile.units and "valueQuantity" in observation:
            yield from _measured(observation["valueQuantity"], profile.units, f"{place}.valueQuantity", profile.name)
        elif profile.units and not _VALUES.isdisjoint(observation):
            yield _issue("structure", place, profile.name, "its value is a quantity")
        if profile.name == "bp":
            yield from _pressures(observation, place)
        if profile.name == "vitalspanel" and not observation.get("hasMember"):
            yield _issue("required", f"{place}.hasMember", profile.name, "a panel has members")


def _issue(code: str, place: str, profile: str, words: str) -> Issue:
    return Issue("error", code, place, f"vital signs ({profile}): {words}")


def _loinc(concept: Mapping[str, Any]) -> list[str]:
    return [coding.get("code", "") for coding in concept.get("coding", ()) if coding.get("system") == LOINC]


def _of_any(observation: Observation, place: str) -> Iterator[Issue]:
    """What every vital sign has: the category, whom it is about, when it was, and a value or why there is none."""
    codings = [coding for category in observation.get("category", ()) for coding in category.get("coding", ())]
    if CATEGORY not in {(coding.get("system"), coding.get("code")) for coding in codings}:
        yield _issue("required", f"{place}.category", "vitalsigns", "the category vital-signs is missing")
    if "subject" not in observation:
        yield _issue("required", f"{place}.subject", "vitalsigns", "a required element is missing")
    if {"effectiveDateTime", "_effectiveDateTime", "effectivePeriod"}.isdisjoint(observation):
        yield _issue("required", f"{place}.effective[x]", "vitalsigns", "a date, time or period is missing")
    if len(observation.get("effectiveDateTime", "2000-01-01")) < len("2000-01-01"):
        yield Issue("error", "invariant", place, "vs-1: a date of a vital sign is at least a day")
    if not _has_value(observation) and {"component", "hasMember"}.isdisjoint(observation):
        yield Issue("error", "invariant", place, "vs-2: a value, or why it is absent")
    for index, component in enumerate(observation.get("component", ())):
        if not _has_value(component):
            yield Issue("error", "invariant", f"{place}.component[{index}]", "vs-3: a value, or why it is absent")


def _has_value(part: Observation) -> bool:
    return not _VALUES.isdisjoint(part) or "dataAbsentReason" in part


def _measured(quantity: Mapping[str, Any], units: frozenset[str], place: str, profile: str) -> Iterator[Issue]:
    """A quantity with its number and one of the units of its profile."""
    for name in sorted(_MAGNITUDE):
        if name not in quantity and "_" + name not in quantity:
            yield _issue("required", f"{place}.{name}", profile, "a required element is missing")
    if quantity.get("system", UCUM) != UCUM or quantity.get("code", min(units)) not in units:
        yield _issue("value", place, profile, "not in a unit of this profile")


def _pressures(observation: Observation, place: str) -> Iterator[Issue]:
    """The two components of a blood pressure, each once."""
    components = [(index, code) for index, component in enumerate(observation.get("component", ())) for code in _loinc(component["code"])]  # fmt: skip
    for code, name in PRESSURES.items():
        places = [index for index, own in components if own == code]
        if len(places) != 1:
            yield _issue("required", f"{place}.component", "bp", f"one {name} pressure is needed")
        for index in places:
            quantity = observation["component"][index].get("valueQuantity")
            if quantity is not None:
                worded = {"unit": "", **quantity}  # R4 asks for the code of the unit here, not for its words
                yield from _measured(worded, frozenset({"mm[Hg]"}), f"{place}.component[{index}].valueQuantity", "bp")

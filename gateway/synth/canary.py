"""Canaries: a unique token in every identifying string, so that tests can search for leaks byte by byte."""

from __future__ import annotations

from dataclasses import replace

from gateway.nhs import identifiers
from gateway.synth import places
from gateway.synth.draw import guid
from gateway.synth.truth import Address, Person


def marked(person: Person) -> Person:
    """Return the person with a token of their own in every string that tells who they are, and without further
    records."""
    number, letters = person.number, token(person.number)
    eight = f"{int(person.key[:12], 16) % 10**8:08d}"
    inward = f"{1 + number // 400 % 8}{places.INWARD[number // 20 % 20]}{places.INWARD[number % 20]}"
    postcode = f"ZA{1 + number // 3200 % 9} {inward}"
    seen = {
        "gp": person.gp and replace(person.gp, number=f"7{eight}"),
        "hospital": person.hospital
        and replace(person.hospital, number=f"ZQH{eight}", retired=f"ZQR{eight}" if person.hospital.retired else ""),
        "care": person.care and replace(person.care, number=f"ZQC{eight}"),
    }
    given_name, family = f"{letters}given", f"{letters}family"
    gp, hospital, care = (held and replace(held, given=given_name, family=family) for held in seen.values())
    return replace(
        person,
        given=given_name,
        family=family,
        gp=gp,
        hospital=hospital,
        care=care,
        middle=f"{letters}middle",
        address=Address(f"{letters}house", f"1 {letters}street", f"{letters}town", person.address.county, postcode),
        email=f"{letters}mail@example.com",
        carer=f"{letters}carer",
        old_address=person.old_address
        and Address(
            f"{letters}oldhouse", f"1 {letters}oldstreet", f"{letters}oldtown", person.address.county, postcode
        ),
        word=f"{letters}text",
        mess=(),
        also=(),
    )


def token(number: int) -> str:
    """Return the letters that are person ``number``'s canary: ``Zq`` and four letters, alike in length, none part of
    another."""
    letters = ""
    for _ in range(4):
        number, place = divmod(number, 26)
        letters = chr(ord("a") + place) + letters
    return f"Zq{letters}"


def canaries(person: Person) -> list[str]:
    """Return every string that must appear in no export, log or error about this person. For people made with
    ``canary``."""
    numbers = [person.nhs_number, identifiers.spaced(person.nhs_number)]
    held = [seen.number for seen in (person.gp, person.hospital, person.care) if seen]
    retired = [person.hospital.retired] if person.hospital and person.hospital.retired else []
    homes = [home for home in (person.address, person.old_address) if home]
    place = [
        text
        for home in homes
        for text in (home.house, home.street, home.town, home.postcode, home.postcode.replace(" ", ""))
    ]
    reached = [person.email, person.home_phone, person.mobile]
    named = [person.given, person.middle, person.family, person.carer]
    patient = guid(person.key, "patient").strip("{}")
    return [
        text
        for text in (
            *numbers,
            *held,
            *retired,
            *place,
            *reached,
            *named,
            person.word,
            token(person.number),
            patient,
            patient.lower(),
        )
        if text
    ]

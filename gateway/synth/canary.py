"""Canaries: a unique token in every identifying string, so that tests can search for leaks byte by byte."""

from __future__ import annotations

from dataclasses import replace

from gateway.nhs import identifiers
from gateway.synth import places
from gateway.synth.draw import guid
from gateway.synth.truth import Address, Person


def marked(made: Person) -> Person:
    """Return the person with a token of their own in every string that tells who they are."""
    number, letters = made.number, token(made.number)
    eight = f"{int(made.key[:12], 16) % 10**8:08d}"
    inward = f"{1 + number // 400 % 8}{places.INWARD[number // 20 % 20]}{places.INWARD[number % 20]}"
    postcode = f"ZA{1 + number // 3200 % 9} {inward}"
    seen = {
        "gp": made.gp and replace(made.gp, number=f"7{eight}"),
        "hospital": made.hospital
        and replace(made.hospital, number=f"ZQH{eight}", retired=f"ZQR{eight}" if made.hospital.retired else ""),
        "care": made.care and replace(made.care, number=f"ZQC{eight}"),
    }
    given, family = f"{letters}given", f"{letters}family"
    gp, hospital, care = (held and replace(held, given=given, family=family) for held in seen.values())
    return replace(
        made,
        given=given,
        family=family,
        gp=gp,
        hospital=hospital,
        care=care,
        middle=f"{letters}middle",
        address=Address(f"{letters}house", f"1 {letters}street", f"{letters}town", made.address.county, postcode),
        email=f"{letters}mail@example.com",
        carer=f"{letters}carer",
        old_address=made.old_address
        and Address(f"{letters}oldhouse", f"1 {letters}oldstreet", f"{letters}oldtown", made.address.county, postcode),
        word=f"{letters}text",
    )


def token(number: int) -> str:
    """Return the letters that are person ``number``'s canary: ``Zq`` and four letters, alike in length, none part of
    another."""
    letters = ""
    for _ in range(4):
        number, place = divmod(number, 26)
        letters = chr(ord("a") + place) + letters
    return f"Zq{letters}"


def canaries(made: Person) -> list[str]:
    """Return every string that must appear in no export, log or error about this person. For people made with
    ``canary``."""
    numbers = [made.nhs_number, identifiers.spaced(made.nhs_number)]
    held = [seen.number for seen in (made.gp, made.hospital, made.care) if seen]
    retired = [made.hospital.retired] if made.hospital and made.hospital.retired else []
    homes = [home for home in (made.address, made.old_address) if home]
    place = [
        text
        for home in homes
        for text in (home.house, home.street, home.town, home.postcode, home.postcode.replace(" ", ""))
    ]
    reached = [made.email, made.home_phone, made.mobile]
    named = [made.given, made.middle, made.family, made.carer]
    patient = guid(made.key, "patient").strip("{}")
    return [
        text
        for text in (
            *numbers,
            *held,
            *retired,
            *place,
            *reached,
            *named,
            made.word,
            token(made.number),
            patient,
            patient.lower(),
        )
        if text
    ]

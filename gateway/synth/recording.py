"""What each source holds of a person: who knows them, by which number, and what it has wrong.

The people of the demo draw from a stream of their own (``recording``); what the England mix gets wrong besides is
planted kind by kind (``mess``). Each thing that is planted is labelled, so that a test can score by kind.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from gateway.synth import mess
from gateway.synth.draw import chance, stream
from gateway.synth.packs import CAST
from gateway.synth.rates import Mix, by_name
from gateway.synth.truth import Mess, Person, Seen


def recorded(someone: Person, seed: int, around: mess.Around, mix: Mix) -> Person:
    """Return the person as the sources hold them."""
    someone = held(someone, stream(seed, someone.number, "recording"), mix)
    fixed = CAST.get(someone.number)
    if fixed is None and mix == "demo":
        return someone
    draw = stream(seed, someone.number, "mess")
    for kind in fixed.mess if fixed else drawn(someone, draw, mix):
        someone = mess.plant(someone, kind, draw, around)
    return someone


def held(someone: Person, draw: Random, mix: Mix) -> Person:
    """Return the person as known, or not, to practice, hospital and council, with the commonest faults."""
    ordinary = someone.number not in CAST
    known, rates = by_name("known", mix), by_name("mess", mix)
    unknown = [ordinary and chance(draw, known[name][0].rate) for name in ("no practice", "no hospital", "no council")]
    lost = [ordinary and chance(draw, rates[name][0].rate) for name in mess.FIRST]
    hospital = Seen(
        f"H{someone.number:07d}",
        someone.nhs_number,
        someone.birth,
        someone.given,
        someone.family,
        verified=not (lost[0] or lost[1]),
    )
    care = Seen(f"P{someone.number:06d}", someone.nhs_number, someone.birth, someone.given, someone.family)
    if lost[0]:
        hospital = replace(hospital, nhs_number="")
    if lost[2]:
        care = replace(care, nhs_number="")
    if lost[3]:
        care = replace(care, family=someone.family[:2] + someone.family[3:])
    is_patient = not unknown[1] or bool(someone.story.visits or someone.story.letters)
    someone = replace(
        someone,
        gp=None if unknown[0] else someone.gp,
        hospital=hospital if unknown[0] or (is_patient if mix == "england" else not unknown[1]) else None,
        care=care if someone.story.support and not unknown[2] else None,
    )
    labels = []
    for kind, is_lost in zip(mess.FIRST, lost):
        source = mess.KINDS[kind].source
        if is_lost and (record := mess.number_in(someone, source)):
            labels.append(Mess(kind, source, record))
    return replace(someone, mess=tuple(labels))


def drawn(someone: Person, draw: Random, mix: Mix) -> list[str]:
    """Return the kinds of mess that chance gives the person. Each kind draws once, whether it can be or not, so that
    none shifts another."""
    age = (someone.registered - someone.birth).days / 365.25 if someone.death is None else 80.0
    kinds = []
    for kind, bands in by_name("mess", mix).items():
        if kind in mess.FIRST:
            continue
        rate = next((band.rate for band in bands if band.sex in ("", someone.sex) and age >= band.low % 200), 0.0)
        if draw.random() < rate:
            kinds.append(kind)
    return kinds

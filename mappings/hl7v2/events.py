"""THE TABLE of ADT events, one row for each. An event without a row is refused, not guessed.

Facts: HL7 v2.4 chapter 3 and ITK HL7 v2 (England).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """``visit``: speaks of a visit. ``status``: the Encounter's new status ("" leaves it), taken from the statuses of
    ``only`` (empty: from any). ``cancels``: EVN-6 holds the time of the cancelled event, so EVN-2 tells when this one
    happened; ``undoes`` names the events it cancels where another of them may follow. ``revives``: may open a
    cancelled visit again. ``merges`` and ``deletes`` speak of a patient, or of a visit. ``swaps``: two patients change
    places, each with a PID and a PV1. ``moves``: visits, or all of an account, go from the patient of MRG-1 to that of
    PID. ``accounts``: speaks of account numbers of one patient alone.
    """

    visit: bool = True
    status: str = ""
    only: tuple[str, ...] = ()
    cancels: bool = False
    undoes: tuple[str, ...] = ()
    revives: bool = False
    merges: bool = False
    deletes: bool = False
    swaps: bool = False
    moves: bool = False
    accounts: bool = False


EVENTS = {
    "A01": Event(status="in-progress", revives=True),  # admit
    "A02": Event(status="in-progress", only=("", "arrived", "in-progress", "planned", "onleave")),  # transfer
    "A03": Event(status="finished"),  # discharge
    "A04": Event(status="arrived", revives=True),  # register
    "A05": Event(status="planned", only=("", "planned", "cancelled"), revives=True),  # pre-admit
    "A06": Event(status="in-progress", revives=True),  # outpatient becomes inpatient
    "A07": Event(status="in-progress", revives=True),  # inpatient becomes outpatient
    "A08": Event(),  # update
    "A09": Event(),  # departing, tracking only
    "A10": Event(status="arrived", only=("", "planned")),  # arriving, tracking only
    "A11": Event(status="cancelled", cancels=True, undoes=("A01", "A04")),  # cancel admit
    "A12": Event(cancels=True, undoes=("A02",)),  # cancel transfer
    "A13": Event(status="in-progress", only=("", "finished"), cancels=True, undoes=("A03",)),  # cancel discharge
    "A14": Event(status="planned", only=("",)),  # pending admit
    "A15": Event(),  # pending transfer
    "A16": Event(),  # pending discharge
    "A17": Event(  # swap patients
        status="in-progress", only=("", "arrived", "in-progress", "planned", "onleave"), swaps=True
    ),
    "A21": Event(status="onleave", only=("", "arrived", "in-progress")),  # leave of absence, out
    "A22": Event(status="in-progress", only=("", "onleave")),  # leave of absence, back
    "A23": Event(deletes=True),  # delete the visit
    "A25": Event(cancels=True),  # cancel pending discharge
    "A26": Event(cancels=True),  # cancel pending transfer
    "A27": Event(status="cancelled", only=("", "planned"), cancels=True),  # cancel pending admit
    "A38": Event(status="cancelled", only=("", "planned"), cancels=True),  # cancel pre-admit
    "A52": Event(status="in-progress", only=("", "onleave"), cancels=True),  # cancel leave, out
    "A53": Event(status="onleave", only=("", "in-progress"), cancels=True),  # cancel leave, back
    "A28": Event(visit=False),  # add person
    "A31": Event(visit=False),  # update person
    "A29": Event(visit=False, deletes=True),  # delete person
    "A18": Event(visit=False, merges=True),  # merges: one prior patient, in the words of five versions
    "A30": Event(visit=False, merges=True),
    "A34": Event(visit=False, merges=True),
    "A36": Event(visit=False, merges=True),
    "A39": Event(visit=False, merges=True),
    "A40": Event(visit=False, merges=True),
    "A47": Event(visit=False, merges=True),  # change identifier: the prior number is another's no more
    "A44": Event(moves=True),  # move an account to another patient
    "A45": Event(moves=True),  # move visits to another patient
    "A35": Event(visit=False, accounts=True),  # merge account numbers
    "A41": Event(visit=False, accounts=True),  # merge accounts
    "A60": Event(visit=False),  # allergies
}

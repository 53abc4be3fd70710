"""Derives from what was written who is who, and the labels of a patient's whole record. All of it can be rebuilt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.fhir import build
from gateway.nhs import identity, ruling, sensitive, settled, traced
from gateway.nhs.codesets import CodeSets
from gateway.nhs.identity import Evidence
from gateway.nhs.labels import HIDDEN_ALWAYS, RESTRICTED
from gateway.nhs.labels import names as label_names
from gateway.store import identities, labelling, resources, rulings, traces
from gateway.store.hashes import id_hash
from gateway.store.mapped import Mapped
from gateway.store.session import Session

Claim = tuple[int, str, bytes]
"""(patient, number, evidence)"""


@dataclass
class _Answered:
    """What PDS answered about one record: the numbers it verifies, which of them replaced which, and all it ever
    verified."""

    verified: set[str] = field(default_factory=set)
    paired: set[tuple[str, str]] = field(default_factory=set)
    traced: set[str] = field(default_factory=set)

    def hold(self, number: str, answer: str) -> None:
        """Take an answer that is in force."""
        self.verified |= {number, answer} - {""}
        if number and answer != number:
            self.paired.add((number, answer))


def gather(session: Session, mapped: Sequence[Mapped]) -> None:
    """Store the evidence of Patients, and gather again every person that it affects."""
    groups = [group.grp for group in mapped if group.puts is not None]
    patients = {patient for patient, _, _ in labelling.patients_of_groups(session, groups)}
    if not patients:
        return
    claimed = [
        (patient, number, evidence)
        for group in mapped
        for patient, numbers, evidence in group.evidence
        for number in numbers
    ]
    _gather(session, _settled(session, claimed), patients)


def evidence_of(session: Session, patients: Iterable[int]) -> dict[int, Evidence]:
    """Patient → its evidence with all that is laid over it, of these Patients."""
    held = {patient: body for patient, _, body in identities.claims_of(session, sorted(set(patients)))}
    return {patient: identity.decode_evidence(body) for patient, body in held.items()}


def regather(session: Session, patients: Iterable[int]) -> None:
    """Gather these Patients again, and every person that it affects, after a ruling or a trace."""
    sent = {patient: settled.as_sent(evidence) for patient, evidence in evidence_of(session, patients).items()}
    if sent:
        _gather(session, _settled(session, _claims(sent)), sent.keys())


def _gather(session: Session, claimed: Sequence[Claim], patients: Collection[int]) -> None:
    """Replace the claims of Patients, of those without any too, and gather all that they reach."""
    numbers = identities.replace_claims(session, sorted(patients), claimed)
    claims = identities.connected(session, numbers)
    evidences = {patient: identity.decode_evidence(evidence) for patient, _, evidence in claims}
    persons, mismatches = identity.gather(list(evidences.values()))
    rows = []
    for person in persons:
        hashes = sorted(id_hash(patient) for patient in person.patients)
        rows += [(patient, hashes[0], person.grade, person.why) for patient in hashes]
    missed = [(number, id_hash(patient), why) for number, patient, why in mismatches]
    identities.replace_persons(session, sorted(evidences.keys() | set(patients)), rows, missed)


def _settled(session: Session, claimed: Sequence[Claim]) -> Sequence[Claim]:
    """The claims with what people ruled and PDS answered laid over them."""
    patients = sorted({patient for patient, _, _ in claimed})
    stands = ruling.standing(ruling.Ruling(*row) for row in rulings.of_patients(session, patients))
    answers = traces.of_patients(session, patients)
    if not (stands.apart or stands.joined or answers):
        return claimed
    evidences = {patient: identity.decode_evidence(evidence) for patient, _, evidence in claimed}
    answered = {patient: _Answered() for patient in evidences}
    for trace in traces.newest_by_number(trace for trace in answers if traced.is_verified(trace.outcome)):
        answered[trace.patient].traced |= {trace.number, trace.answer} - {""}
    for trace in traces.newest_by_number(answers):
        compared = settled.digest(evidences[trace.patient])
        if traced.is_verified(trace.outcome) and trace.until > session.now and trace.asked == compared:
            answered[trace.patient].hold(trace.number, trace.answer)
    ids = identities.ids_of(session, sorted({patient for pair in stands.joined for patient in pair[:2]}))
    return _claims(_laid(evidences, stands, answered, ids))


def _claims(evidences: Mapping[int, Evidence]) -> list[Claim]:
    return [
        (patient, number, identity.encode_evidence(evidence))
        for patient, evidence in evidences.items()
        for number in evidence.numbers
    ]


def _laid(
    evidences: Mapping[int, Evidence],
    stands: ruling.Standing,
    answered: Mapping[int, _Answered],
    ids: Mapping[int, str],
) -> dict[int, Evidence]:
    laid = {}
    for patient, evidence in evidences.items():
        joined = [pair for pair in stands.joined if patient in pair[:2]]
        laid[patient] = settled.settle(
            evidence,
            verified=answered[patient].verified,
            traced=answered[patient].traced,
            paired=answered[patient].paired,
            apart=[number for held, number in stands.apart if held == patient],
            joined=[(ids.get(other, ""), pair[2]) for pair in joined for other in {*pair[:2]} - {patient}],
        )
    return laid


def label(session: Session, patients: Iterable[int], sets: CodeSets) -> Counter[str]:
    """Derive the labels of these patients' whole records again; return how many resources carry each label because of
    it. Whom PDS restricts is restricted until PDS says otherwise."""
    counts: Counter[str] = Counter()
    changed = False
    patients = [patient for patient in patients if patient]
    restricted = {trace.patient for trace in traced.restricting(traces.of_patients(session, patients))}
    for patient in sorted({*labelling.with_labels(session, patients), *restricted}):
        held = resources.of_patients(session, [patient])
        own = labelling.own_of(session, patient)
        if patient in restricted:
            own |= {stored.key: own.get(stored.key, 0) | RESTRICTED for stored in held if stored.type == "Patient"}
        derived = sensitive.derive(
            [(stored.key, build.decode(stored.body), own.get(stored.key, 0)) for stored in held], sets
        )
        for key, (bits, causes) in derived.items():
            counts.update(label_names(bits))
            changed |= labelling.set_derived(session, patient, key, bits, causes)
        whole = 0
        for bits, _ in derived.values():
            whole |= bits & HIDDEN_ALWAYS
        changed |= labelling.set_deleted(session, patient, whole, HIDDEN_ALWAYS)
    if changed:
        labelling.changed(session)
    return counts

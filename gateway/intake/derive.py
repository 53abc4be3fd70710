"""Derives from what was written who is who, and the labels of a patient's whole record. All of it can be rebuilt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from gateway.fhir import build
from gateway.nhs import identity, sensitive
from gateway.nhs.codesets import CodeSets
from gateway.nhs.labels import HIDDEN_ALWAYS
from gateway.nhs.labels import names as label_names
from gateway.store import identities, labelling, resources
from gateway.store.hashes import id_hash
from gateway.store.mapped import Mapped
from gateway.store.session import Session


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
    numbers = identities.replace_claims(session, sorted(patients), claimed)
    claims = identities.connected(session, numbers)
    evidences = {patient: identity.decode_evidence(evidence) for patient, _, evidence in claims}
    persons, mismatches = identity.gather(list(evidences.values()))
    rows = []
    for person in persons:
        hashes = sorted(id_hash(patient) for patient in person.patients)
        rows += [(patient, hashes[0], person.grade, person.why) for patient in hashes]
    missed = [(number, id_hash(patient), why) for number, patient, why in mismatches]
    identities.replace_persons(session, sorted(evidences.keys() | patients), rows, missed)


def label(session: Session, patients: Iterable[int], sets: CodeSets) -> Counter[str]:
    """Derive the labels of these patients' whole records again; return how many resources carry each label because of
    it."""
    counts: Counter[str] = Counter()
    changed = False
    for patient in labelling.with_labels(session, [patient for patient in patients if patient]):
        held = resources.of_patients(session, [patient])
        own = labelling.own_of(session, patient)
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

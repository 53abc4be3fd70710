"""Coded diagnoses and procedures of a record to Condition, FamilyMemberHistory, AllergyIntolerance and Procedure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from gateway.fhir.build import resource
from mappings import Look, Row
from mappings.cds import codes
from mappings.cds.people import professional
from mappings.cds.record import labels
from mappings.cds.values import day, known, numbered, when
from mappings.vocabulary import (
    ALLERGY_CLINICAL,
    ALLERGY_VERIFICATION,
    CANNOT_BE,
    CONDITION_CLINICAL,
    CONDITION_VERIFICATION,
    ENCOUNTER_DIAGNOSIS,
    READ,
    UK_CORE,
    protected,
    status,
)

ICD = "http://hl7.org/fhir/sid/icd-10"
OPCS = "https://fhir.hl7.org.uk/CodeSystem/OPCS-4"
_ICD = re.compile(r"([A-Z]\d\d)([\dX-]?)([\dX-]?)[ -]*([DA]?)")
_READ = re.compile(r"[A-Za-z0-9][A-Za-z0-9.]{4}([A-Za-z0-9]{2})?")
_OPCS = re.compile(r"([A-Z]\d\d)([\d-]?)")
FAMILY = re.compile(r"Z8[0-4]")
"""ICD-10 categories of family history: nothing that the patient has."""
ALLERGY = re.compile(r"Z88|Z910")
"""ICD-10: personal history of allergy to medicines and others."""
HISTORY = re.compile(r"Z8[5-7]|Z915")
"""ICD-10: personal history, of what is over. Others go on: Z92.1 is the long-term use of anticoagulants *now*."""
SITE = re.compile(r"Z")
"""OPCS-4: the chapter that says only where or on which side the operation before it was."""
METHOD = re.compile(r"Y")
"""OPCS-4: the chapter that says only how the operation before it was done."""
PRESENT = {"Y": "Present on admission", "N": "Not present on admission"}


class Coded(NamedTuple):
    """One coded diagnosis: its place among those of the record (1 is the primary one), item, concept and bare code."""

    rank: int
    concept: dict[str, Any]
    code: str
    item: str
    number: int


def diagnoses(row: Row, look: Look) -> list[Coded]:
    """Return the diagnoses of a record in their order, each code once. Read codes count where there is no ICD-10, A&E
    codes where there is neither: they say the same more coarsely."""
    for item in ("Diagnosis", "DiagnosisRead", "AeDiagnosis"):
        coded: dict[str, Coded] = {}
        for number in numbered(row.values, item):
            written = row.values[f"{item}{number}"].strip()
            code = written if item == "DiagnosisRead" else written.upper()
            if code and code not in coded:
                coded[code] = Coded(len(coded) + 1, concept_of(item, row, written, look), code, item, number)
        if coded:
            return list(coded.values())
    return []


def concept_of(item: str, row: Row, text: str, look: Look) -> dict[str, Any]:
    if item == "Diagnosis":
        return icd(text, row, look)
    if item == "DiagnosisRead":
        return read_code(text)
    return {"coding": [codes.own(row, "ae-diagnosis", text)], "text": f"A&E diagnosis code {text}"}


def read_code(text: str) -> dict[str, Any]:
    """Return the concept of a Read v2 code, with its dots; what has another form stays as text."""
    return {"coding": [{"system": READ, "code": text}]} if _READ.fullmatch(text) else {"text": text}


def icd(text: str, row: Row, look: Look) -> dict[str, Any]:
    """Return the concept of an ICD-10 code as CDS writes it: without its point, filled with X or -, and with D or A for
    dagger and asterisk. What has another form stays in the provider's own coding and is counted.

    >>> icd("I10X", None, None)["coding"][0]["code"], icd("A170D", None, None)["coding"][0]["code"]
    ('I10', 'A17.0')
    """
    match = _ICD.fullmatch(text.upper().replace(".", ""))
    if match is None:
        look.unlisted(row.table, "Diagnosis", text)
        return {
            "coding": [codes.own(row, "diagnosis", text.strip())],
            "text": f"Diagnosis code {text}{sensitive('ICD', text)}",
        }
    rest = "".join(part for part in (match[2], match[3]) if part not in ("", "X", "-"))
    code = f"{match[1]}.{rest}" if rest else match[1]
    kind = {"D": " (dagger: the cause)", "A": " (asterisk: the manifestation)"}.get(match[4], "")
    return {"coding": [{"system": ICD, "code": code}], "text": f"ICD-10 {code}{kind}{sensitive('ICD', code)}"}


def sensitive(scheme: str, code: str) -> str:
    """Return the words of a code that tells of something protected, as the end of its text.

    >>> sensitive("ICD", "B24"), sensitive("ICD", "I10")
    (': HIV disease', '')
    """
    words = protected(scheme, code)
    return f": {words}" if words else ""


def conditions(
    row: Row, subject: dict[str, Any], encounter: dict[str, Any], certainty: str, recorded: str, look: Look
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the resources of a record's diagnoses, and Encounter.diagnosis for those that are Conditions.

    ``certainty`` is the verification status of all, "" where the record says none: coders may code a probable
    diagnosis as they would a certain one, so none is confirmed here.
    """
    resources, references = [], []
    for coded in diagnoses(row, look):
        key, code = f"{row.table}|{row.key}|{coded.item}|{coded.code}", coded.code.replace(".", "")
        is_icd = coded.item == "Diagnosis"
        if is_icd and FAMILY.match(code):
            resources.append(family_history(row, coded, key, subject, recorded, look))
            continue
        if is_icd and ALLERGY.match(code):
            resources.append(allergy(row, coded, key, subject, encounter, recorded, look))
        resources.append(condition(row, coded, key, subject, encounter, certainty, recorded, look))
        use = {"text": "Primary diagnosis" if coded.rank == 1 else "Secondary diagnosis"}
        references.append({"condition": look.reference("Condition", key), "use": use, "rank": coded.rank})
    return resources, references


def condition(
    row: Row,
    coded: Coded,
    key: str,
    subject: dict[str, Any],
    encounter: dict[str, Any],
    certainty: str,
    recorded: str,
    look: Look,
) -> dict[str, Any]:
    is_over = coded.item == "Diagnosis" and bool(HISTORY.match(coded.code))
    present = PRESENT.get(row.values[f"Present{coded.number}"].strip().upper(), "") if coded.item == "Diagnosis" else ""
    return resource(
        "Condition",
        look.id("Condition", key),
        UK_CORE + "UKCore-Condition",
        labels(row),
        clinicalStatus=status(CONDITION_CLINICAL, "inactive") if is_over else {},
        verificationStatus=status(CONDITION_VERIFICATION, certainty),
        category=[ENCOUNTER_DIAGNOSIS],
        code=coded.concept,
        subject=subject,
        encounter=encounter,
        recordedDate=recorded,
        note=[{"text": present}] if present else [],
    )


def family_history(
    row: Row, coded: Coded, key: str, subject: dict[str, Any], recorded: str, look: Look
) -> dict[str, Any]:
    """Return what somebody else in the family has: the code says not who."""
    return resource(
        "FamilyMemberHistory",
        look.id("FamilyMemberHistory", key),
        UK_CORE + "UKCore-FamilyMemberHistory",
        labels(row),
        status="completed",
        patient=subject,
        date=recorded,
        relationship={"text": "Family member; the code does not say who"},
        condition=[{"code": coded.concept}],
    )


def allergy(
    row: Row,
    coded: Coded,
    key: str,
    subject: dict[str, Any],
    encounter: dict[str, Any],
    recorded: str,
    look: Look,
) -> dict[str, Any]:
    """Return the allergy that a personal history of allergy is, beside its Condition: in words, because a prescriber
    who reads a code alone is not warned."""
    to = codes.label("allergy", coded.code.replace(".", "")[:4])
    words = f"Personal history of allergy{f' to {to}' if to else ''}, {coded.concept['text']}"
    return resource(
        "AllergyIntolerance",
        look.id("AllergyIntolerance", key),
        UK_CORE + "UKCore-AllergyIntolerance",
        labels(row),
        clinicalStatus=status(ALLERGY_CLINICAL, "active"),
        verificationStatus=status(ALLERGY_VERIFICATION, "unconfirmed"),
        code={**coded.concept, "text": words},
        patient=subject,
        encounter=encounter,
        recordedDate=recorded,
    )


class Operation(NamedTuple):
    """One procedure: the number of its item, its code, when it was done, and what qualifies it."""

    item: str
    number: int
    code: str
    sites: list[str]


def procedures(row: Row, subject: dict[str, Any], encounter: dict[str, Any], look: Look) -> list[dict[str, Any]]:
    """Return the procedures of a record. A code that says only where, on which side or how belongs to the operation
    before it: sites become its body sites, methods procedures that are part of it."""
    resources: list[dict[str, Any]] = []
    main = ""
    seen: Counter[str] = Counter()
    for operation in operations(row):
        name = f"{row.table}|{row.key}|{operation.item}|{operation.code}|{row.values[date_item(operation)].strip()}"
        seen[name] += 1
        key = f"{name}|{seen[name]}"
        is_method = operation.item == "Procedure" and bool(METHOD.match(operation.code)) and bool(main)
        resources.append(procedure(row, operation, key, main if is_method else "", subject, encounter, look))
        main = main if is_method else key
    return resources


def operations(row: Row) -> Iterator[Operation]:
    """Yield the operations of a record: by OPCS-4, else by Read, else by A&E treatment codes."""
    for item in ("Procedure", "ProcedureRead", "AeTreatment"):
        answer: list[Operation] = []
        for number in numbered(row.values, item):
            written = row.values[f"{item}{number}"].strip()
            code = written.upper().replace(".", "")
            if item == "Procedure" and SITE.match(code) and answer:
                answer[-1].sites.append(code)
            elif code and code != "-":
                own = written if item == "ProcedureRead" else written.replace(".", "")
                answer.append(Operation(item, number, own, []))
        if answer:
            yield from answer
            return


def date_item(operation: Operation) -> str:
    return f"{operation.item}Date{operation.number}"


def procedure(
    row: Row,
    operation: Operation,
    key: str,
    main: str,
    subject: dict[str, Any],
    encounter: dict[str, Any],
    look: Look,
) -> dict[str, Any]:
    done, performed = performance(row, date_item(operation), "", look)
    people = []
    if operation.item == "Procedure":
        pairs = (("OperatorIssuer", "Operator"), ("AnaesthetistIssuer", "Anaesthetist"))
        number = operation.number
        people = [professional(row, f"{issuer}{number}", f"{name}{number}") for issuer, name in pairs]
    return resource(
        "Procedure",
        look.id("Procedure", key),
        UK_CORE + "UKCore-Procedure",
        labels(row),
        partOf=[look.reference("Procedure", main)] if main else [],
        status=done,
        code=procedure_code(row, operation, look),
        subject=subject,
        encounter=encounter,
        performedDateTime=performed,
        performer=[{"actor": person} for person in people if person],
        bodySite=[opcs(code, row, look) for code in operation.sites],
    )


def performance(row: Row, item: str, time_item: str, look: Look) -> tuple[str, str]:
    """Return the status of a procedure and its time. Nobody knows whether one was done that is dated after all that is
    known: it is planned, or its year is mistyped."""
    performed = when(row.values, item, time_item) if time_item else day(row.values, item)
    if performed[:10] > known(row):
        look.warn(item.rstrip("0123456789"), CANNOT_BE)
        return "unknown", ""
    return "completed", performed


def procedure_code(row: Row, operation: Operation, look: Look) -> dict[str, Any]:
    if operation.item == "Procedure":
        return opcs(operation.code, row, look)
    if operation.item == "ProcedureRead":
        return read_code(operation.code)
    return {
        "coding": [codes.own(row, "ae-treatment", operation.code)],
        "text": f"A&E treatment code {operation.code}",
    }


def opcs(text: str, row: Row, look: Look) -> dict[str, Any]:
    """Return the concept of an OPCS-4 code, with its point.

    >>> opcs("W371", None, None)["coding"][0]["code"], opcs("X99-", None, None)["coding"][0]["code"]
    ('W37.1', 'X99')
    """
    match = _OPCS.fullmatch(text.upper())
    if match is None:
        look.unlisted(row.table, "Procedure", text)
        return {
            "coding": [codes.own(row, "procedure", text)],
            "text": f"Procedure code {text}{sensitive('OPCS', text)}",
        }
    code = f"{match[1]}.{match[2]}" if match[2] not in ("", "-") else match[1]
    return {"coding": [{"system": OPCS, "code": code}], "text": f"OPCS-4 {code}{sensitive('OPCS', code)}"}

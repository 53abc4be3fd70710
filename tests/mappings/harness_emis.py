"""EMIS rows by hand: one function a table, with what a test does not care about filled in. ``write`` makes whole
deliveries of them."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from mappings import Feed, Row, Values
from mappings.emis import SOURCE
from mappings.emis.columns import TABLES as COLUMNS
from mappings.emis.delivery import PROCESSING_BITS, SINCE, Named, row
from mappings.emis.tables import TABLES
from tests.mappings import harness
from tests.mappings.harness import Mapped, map_rows

EXTRACTED = int((datetime(2024, 6, 1, 1) - SINCE).total_seconds()) << PROCESSING_BITS
"""The order of the first row of an extract of 2024-06-01, which rows come from."""
AGREEMENT = "c4b2f2a0-0000-4000-8000-0000000000aa"
PRACTICE = "{0F30B81C-D956-4A05-89DF-58CC877FD719}"
CONDITIONS, ALLERGIES = "Conditions, operations and procedures", "Allergy and adverse drug reactions"


def sent(table: str, order: int = 1, **values: str) -> Row:
    """A row of a table as ``read`` yields it: what is empty is not there."""
    filled = Values({name: value for name, value in values.items() if value})
    made = row(Named("20240312010000", AGREEMENT, table), TABLES[table], filled, EXTRACTED + order, order)
    assert isinstance(made, Row), made
    return made


def code(number: str, term: str, category: str, read: str = "", snomed: str = "", **more: str) -> Row:
    names = {
        "CodeId": number,
        "Term": term,
        "EmisCodeCategoryDescription": category,
        "ReadTermId": read,
        "SnomedCTConceptId": snomed,
    }
    return sent("Coding_ClinicalCode", **{**names, **more})


def drug_code(number: str, term: str, dmd: str = "") -> Row:
    return sent("Coding_DrugCode", CodeId=number, Term=term, DmdProductCodeId=dmd)


def owned(**values: str) -> dict[str, str]:
    return {"PatientGuid": "{P1}", "OrganisationGuid": PRACTICE, **values}


def dated(**values: str) -> dict[str, str]:
    told = {
        "EffectiveDate": "2024-03-11",
        "EffectiveDatePrecision": "YMD",
        "EnteredDate": "2024-03-11",
        "EnteredTime": "09:30:00",
    }
    return owned(**{**told, "ClinicianUserInRoleGuid": "{U1}", "EnteredByUserInRoleGuid": "{U1}", **values})


def observation(guid: str, code_id: str, order: int = 1, **values: str) -> Row:
    return sent(
        "CareRecord_Observation",
        order,
        **dated(ObservationGuid=f"{{{guid}}}", CodeId=code_id, Abnormal="false", **values),
    )


def problem(guid: str, order: int = 1, **values: str) -> Row:
    told = {
        "ObservationGuid": f"{{{guid}}}",
        "ProblemStatusDescription": "Active Problem",
        "SignificanceDescription": "Significant Problem",
    }
    return sent("CareRecord_Problem", order, **owned(**{**told, **values}))


def referral(guid: str, **values: str) -> Row:
    return sent("CareRecord_ObservationReferral", **owned(ObservationGuid=f"{{{guid}}}", **values))


def patient(guid: str = "P1", order: int = 1, **values: str) -> Row:
    told = {
        "PatientGuid": f"{{{guid}}}",
        "Sex": "F",
        "DateOfBirth": "1960-01-15",
        "GivenName": "Ann",
        "Surname": "Marsh",
        "NhsNumber": "9990000018",
    }
    kind = {"DateOfRegistration": "2001-05-05", "PatientTypeDescription": " Regular"}
    return sent("Admin_Patient", order, **owned(**{**told, **kind, **values}))


def drug(guid: str = "D1", order: int = 1, **values: str) -> Row:
    told = {
        "DrugRecordGuid": f"{{{guid}}}",
        "CodeId": "1",
        "Dosage": "One daily",
        "Quantity": "28",
        "QuantityUnit": "tablet",
    }
    return sent(
        "Prescribing_DrugRecord", order, **dated(**{**told, "PrescriptionType": "Repeat", "IsActive": "true", **values})
    )


def issue(guid: str = "I1", drug_guid: str = "D1", order: int = 1, **values: str) -> Row:
    told = {
        "IssueRecordGuid": f"{{{guid}}}",
        "DrugRecordGuid": f"{{{drug_guid}}}" if drug_guid else "",
        "CodeId": "1",
        "Dosage": "One daily",
    }
    return sent(
        "Prescribing_IssueRecord", order, **dated(**{**told, "Quantity": "28", "CourseDurationInDays": "28", **values})
    )


def deleted(table: str, order: int = 9, **keys: str) -> Row:
    """A deleted row as EMIS sends it: its keys and the mark."""
    return sent(table, order, **owned(Deleted="true", **keys))


def mapped(*rows: Row) -> Mapped:
    """What rows come to; a fault is an error here."""
    found = map_rows(SOURCE, rows)
    assert not found.faults, found.faults
    return found


def named(item: str, *pairs: tuple[str, str]) -> str:
    """A Qualifiers column of key and value pairs under ``item``."""
    items = "".join(f'<item><key codeId="0">{key}</key><value>{value}</value></item>' for key, value in pairs)
    return f"<{item}>{items}</{item}>"


def qualifier(key: str, value: str) -> str:
    return named("qualifier", (key, value))


def write(
    folder: Path,
    rows: Iterable[tuple[str, dict[str, str]]] = (),
    time: str = "20240312010000",
    without: str = "",
    encoding: str = "utf-8",
) -> Path:
    """Write a delivery with a file for every table but ``without``, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[dict[str, str]]] = {}
    for table, values in rows:
        found.setdefault(table, []).append(values)
    for table, columns in COLUMNS.items():
        if table == without:
            continue
        path = folder / f"1-2_{table}_{time}_{AGREEMENT.upper()}.csv"
        with path.open("w", encoding=encoding, newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
            writer.writerow(columns)
            for number, values in enumerate(found.get(table, ()), 1):
                numbered = {"ProcessingId": str(number), **values}
                writer.writerow([numbered.get(column, "") for column in columns])
    return folder


def read_all(folder: Path, feed: Feed | None = None) -> list:
    return harness.read_all(SOURCE, folder, feed)

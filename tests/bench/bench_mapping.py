"""EMIS observation rows to FHIR, on one core. Read, mapped, encoded, validated, each beside its limit."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway.fhir import model
from gateway.fhir.build import encode
from gateway.memory import seldom_collected
from mappings import Feed, Group, Row, Values
from mappings.emis import SOURCE
from mappings.emis.columns import TABLES
from mappings.emis.tables import OBSERVATION
from mappings.readers.files import File
from tests.bench.room import Room
from tests.bench.table import Line
from tests.mappings.harness import DictLook

ROWS = 60_000
PART = 400
MAP_LIMIT, WHOLE_LIMIT = 60_000, 25_000
"""Observation rows a second on one core: to dictionaries; and mapped, encoded and validated."""
AGREEMENT, PRACTICE, USER = (
    "c4b2f2a0-0000-4000-8000-0000000000aa",
    "0f30b81c-d956-4a05-89df-58cc877fd719",
    "bb000001-0000-4000-8000-000000000001",
)
CODES = (
    ("1", "Blood pressure reading", "246..", "75367002", "Biological values", "", 0),
    ("2", "Diastolic blood pressure", "246A.", "1091811000000102", "Biological values", "mmHg", 1),
    ("3", "Systolic blood pressure", "2469.", "72313002", "Biological values", "mmHg", 2),
    ("4", "Haemoglobin estimation", "423..", "1022431000000105", "Haematology", "g/L", 0),
    ("5", "Serum potassium level", "44I4.", "1000651000000109", "Biochemistry", "mmol/L", 0),
    ("6", "Body weight", "22A..", "27113001", "Biological values", "kg", 0),
    ("7", "Never smoked tobacco", "1371.", "266919005", "Personal Health and Social", "", 0),
    ("8", "Asthma", "H33..", "195967001", "Conditions, operations and procedures", "", 0),
    ("9", "Influenza vaccination", "65E..", "86198006", "Immunisations", "", 0),
    ("10", "Serum cholesterol level", "44P..", "1005671000000105", "Biochemistry", "mmol/L", 0),
)
"""Ten rows that repeat: a code, its unit, how many rows back its parent is."""


def write(folder: Path) -> Path:
    """Write an observation file of plausible rows and return it."""
    path = folder / f"1-2_{OBSERVATION}_20240312010000_{AGREEMENT}.csv"
    with path.open("w", encoding="utf-8", newline="\r\n") as file:
        file.write(",".join(f'"{column}"' for column in TABLES[OBSERVATION]) + "\n")
        for number in range(ROWS):
            code, _, _, _, _, unit, back = CODES[number % 10]
            values = {
                "ObservationGuid": f"{{0B5E8A7E-0000-4000-8000-{number:012X}}}",
                "PatientGuid": f"{{0BE7C4A1-0000-4000-8000-{number // 200:012X}}}",
                "OrganisationGuid": f"{{{PRACTICE.upper()}}}",
                "EffectiveDate": f"20{10 + number // 10 % 14}-0{1 + number // 10 % 9}-1{number // 10 % 10}",
                "EffectiveDatePrecision": "YMD",
                "EnteredDate": "2024-01-02",
                "EnteredTime": f"12:{number % 60:02}:00",
                "ClinicianUserInRoleGuid": f"{{{USER.upper()}}}",
                "EnteredByUserInRoleGuid": f"{{{USER.upper()}}}",
                "ParentObservationGuid": f"{{0B5E8A7E-0000-4000-8000-{number - back:012X}}}" if back else "",
                "CodeId": code,
                "ConsultationGuid": f"{{DD000001-0000-4000-8000-{number // 10:012X}}}",
                "Value": str(60 + number % 80) if unit else "",
                "NumericUnit": unit,
                "ObservationType": "Value" if unit else "Observation",
                "Abnormal": "false",
                "Deleted": "false",
                "IsConfidential": "false",
                "ProcessingId": str(number + 1),
            }
            file.write(",".join(f'"{values.get(column, "")}"' for column in TABLES[OBSERVATION]) + "\n")
    return path


def code_rows() -> list[Row]:
    names = ("CodeId", "Term", "ReadTermId", "SnomedCTConceptId", "EmisCodeCategoryDescription")
    return [Row("Coding_ClinicalCode", code[0], AGREEMENT, 1, Values(zip(names, code))) for code in CODES]


def groups_of(rows: list[Row]) -> list[Group]:
    members: dict[str, list[Row]] = {}
    for row in rows:
        for key in row.groups:
            members.setdefault(key, []).append(row)
    return [Group(key, PRACTICE, tuple(found)) for key, found in members.items()]


def timed(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def measure(room: Room) -> Iterator[Line]:
    """The garbage is collected as seldom as in a load."""
    with seldom_collected():
        yield from _measured()


def _measured() -> Iterator[Line]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder))
        read = timed(lambda: rows.extend(SOURCE.read(File(path, encodings=("utf-8",)), Feed())))
    kept = {(row.publisher, row.table, row.key): row for row in (*rows, *code_rows())}
    groups, look = groups_of(rows), DictLook(SOURCE, kept, PRACTICE, Feed())
    model.make_ready()  # as a load does, so that what it builds is frozen too
    gc.collect()
    gc.freeze()  # all rows of the delivery are held here for the bench; a loader holds those of one part
    mapped = encoded = checked = 0.0
    count, faults = 0, []
    for start in range(0, len(groups), PART):
        made, bodies = [], []
        part = groups[start : start + PART]
        mapped += timed(
            lambda made=made, part=part: made.extend(each for group in part for each in SOURCE.to_fhir(group, look))
        )
        encoded += timed(lambda made=made, bodies=bodies: bodies.extend(encode(each) for each in made))
        pairs = list(zip(made, bodies))  # intake holds the resource too, and validates it so
        checked += timed(
            lambda pairs=pairs: faults.extend(issue for pair in pairs for issue in model.check_resource(*pair))
        )
        count += len(made)
    whole = mapped + encoded + checked
    steps = (
        f"read {ROWS / read:,.0f}, encode {ROWS / encoded:,.0f}, validate {ROWS / checked:,.0f} rows/s; "
        f"{len(faults)} faults"
    )
    yield Line(
        "emis, observation rows mapped", ROWS / mapped, "rows/s", f"{count / ROWS:.2f} resources a row", MAP_LIMIT
    )
    yield Line("emis, rows mapped, encoded and validated", ROWS / whole, "rows/s", steps, WHOLE_LIMIT)

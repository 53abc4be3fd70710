"""The hospital's commissioning data sets: CDS 6-2 fixed-width records, and emergency care in the columns of ECDS.

One record a finished consultant episode, an outpatient appointment or an attendance. Records are those of the layout in
``layouts.csv``; what we do not fill is spaces. Each part of a stay is one episode: a transfer begins another.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from gateway.synth.layouts import Field, records, tables
from gateway.synth.outputs import Files, Table
from gateway.synth.truth import Clinic, Person, Seen, Visit

SEXES = {"M": "1", "F": "2", "I": "9", "U": "0"}
RECORDS = {"Inpatient": "130", "Outpatient": "020", "Emergency": "010"}
"""CDS TYPE: finished general episode, outpatient attendance, accident and emergency attendance."""

COMPLAINTS = {"Fall at home": "161898004", "Breathless": "267036007", "Chest pain, resolved": "29857009"}
"""SNOMED CT findings for the words of an attendance; others have none."""


class DataSets:
    """The files of one submission in the making: three of fixed width, two of ECDS."""

    def __init__(self, files: Files, today: date, cds: str = "cds/", ecds: str = "ecds/"):
        self._today = today
        self._files = {name: files.file(f"{cds}CDS_{name}_{today:%Y%m%d}.txt", "ascii") for name in RECORDS}
        self._ecds = {name: Table(files.file(f"{ecds}{name}.csv"), columns) for name, columns in tables("ecds").items()}
        self.written = {"cds": 0, "ecds": 0}

    def begin(self) -> None:
        for table in self._ecds.values():
            table.head()

    def add(self, person: Person) -> None:
        """Write what the hospital did for a person; nothing for one it does not know."""
        for record in person.records:
            if record.hospital:
                self._add(record, record.hospital)

    def _add(self, person: Person, seen: Seen) -> None:
        for number, visit in enumerate(sorted(person.story.visits, key=lambda visit: visit.moves[0].at), 1):
            if visit.kind == "E":
                self._put("Emergency", emergency(person, seen, visit, number, self._today))
                self._attendance(person, seen, visit, number)
            else:
                for values in episodes(person, seen, visit, number, self._today):
                    self._put("Inpatient", values)
        for number, clinic in enumerate(person.story.clinics, 1):
            self._put("Outpatient", outpatient(person, seen, clinic, number, self._today))

    def _put(self, name: str, values: dict[str, str]) -> None:
        self._files[name].write(fixed(records("cds")[name], values))
        self.written["cds"] += 1

    def _attendance(self, person: Person, seen: Seen, visit: Visit, number: int) -> None:
        ident = f"{person.number}{number:02d}"
        self._ecds["EC"].put(ecds(person, seen, visit, ident))
        self.written["ecds"] += 1
        if complaint := COMPLAINTS.get(visit.reason):
            self._ecds["EC_Diagnosis"].put(
                {"EC_Ident": ident, "Patient_ID": seen.number.lstrip("H"), "EC_Chief_Complaint_SNOMED_CT": complaint}
            )


def fixed(fields: dict[str, Field], values: dict[str, str]) -> str:
    """Return one record, with a line feed. Raises ``KeyError`` for a field that the layout does not have, and
    ``ValueError`` for a value that is longer than its field."""
    end = fields["(end)"]
    text, place = [], 0
    for name in sorted(values, key=lambda name: fields[name].start):
        field, value = fields[name], values[name]
        if len(value) > field.length:
            raise ValueError(name)
        text.append(" " * (field.start - place))
        text.append(value)
        place = field.start + len(value)
    text.append(" " * (end.start + end.length - place))
    return "".join(text) + "\n"


def common(name: str, person: Person, seen: Seen, unique: str, on: date, today: date) -> dict[str, str]:
    """Return the header and the patient, as every record has them. Letters beyond ASCII lose their marks."""
    where = person.address_on(on)
    sent = f"{today:%Y%m%d}"
    number = seen.nhs_number.replace(" ", "")
    return {
        "CDSVersion": "CDS062",
        "CDSRecordType": RECORDS[name],
        "CDSProtocolIdentifier": "010",
        "CDSUniqueIdentifier": f"B{person.trust.ods}{unique}",
        "CDSUpdateType": "9",
        "CDSApplicableDate": sent,
        "CDSApplicableTime": "010000",
        "CDSExtractDate": sent,
        "CDSExtractTime": "010000",
        "CDSActivityDate": day(on),
        "CDSSenderIdentity": person.trust.ods,
        "LocalPatientID": seen.number,
        "OrganisationCodeLocalPatientID": person.trust.ods,
        "NHSNumberStatusIndicator": "07" if not number else "01" if seen.verified else "02",
        "NHSNumber": number,
        "PersonBirthDate": day(seen.birth),
        "PatientNameType": "1",
        "PatientTitle": person.title,
        "PatientForename": plain(seen.given),
        "PatientSurname": plain(seen.family),
        "PatientAddressType": "1",
        "PatientAddressStructured1": plain(where.house),
        "PatientAddressStructured2": plain(where.street),
        "PatientAddressStructured3": plain(where.town),
        "PatientAddressStructured4": plain(where.county),
        "Postcode": where.postcode,
        "PersonCurrentGender": SEXES[seen.sex or person.sex],
        "EthnicCategory": person.ethnicity,
        "AgeAtCDSActivityDate": f"{max(0, (on - seen.birth).days // 365):03d}",
        "OrganisationCodeCodeofProvider": person.trust.ods,
        "GeneralMedicalPractitionerRegistered": person.practice.staff[0].number,
        "GPPracticeRegistered": person.practice.ods,
    }


def episodes(person: Person, seen: Seen, visit: Visit, number: int, today: date) -> Iterator[dict[str, str]]:
    """Yield the episodes of a stay that has ended: what was taken back is none."""
    moves = [move for move in visit.moves if move.event in ("A01", "A02", "A03")]
    undone = {move.of for move in visit.moves if move.of}
    moves = [move for move in moves if move.at not in undone]
    if not moves or moves[-1].event != "A03":
        return
    stays = list(zip(moves, moves[1:]))
    spell = f"{seen.number}V{number:02d}"
    started, left = moves[0].at, moves[-1].at
    for place, (begin, end) in enumerate(stays, 1):
        is_last = place == len(stays)
        yield {
            **common("Inpatient", person, seen, f"{spell}E{place:02d}", end.at.date(), today),
            "HospitalProviderSpellNumber": spell,
            "AdministrativeCategoryCode": "01",
            "PatientClassification": "2" if started.date() == left.date() else "1",
            "AdmissionMethodCode": visit.method,
            "SourceofAdmissionCode": "19",
            "StartDateHospitalProviderSpell": day(started),
            "StartTimeHospitalProviderSpell": time(started),
            "DischargeDestinationCode": visit.destination if is_last else "",
            "DischargeMethod": "1" if is_last else "",
            "DischargeDateHospitalProviderSpell": day(left) if is_last else "",
            "DischargeTimeHospitalProviderSpell": time(left) if is_last else "",
            "EpisodeNumber": f"{place:02d}",
            "LastEpisodeinSpellIndicator": "1" if is_last else "2",
            "EpisodeStartDate": day(begin.at),
            "EpisodeStartTime": time(begin.at),
            "EpisodeEndDate": day(end.at),
            "EpisodeEndTime": time(end.at),
            "ConsultantCode": person.trust.staff[0 if visit.specialty in ("100", "110") else 1].number,
            "CareProfessionalMainSpecialtyCode": visit.specialty,
            "ActivityTreatmentFunctionCode": visit.specialty,
            "StartSiteCodeofTreatment": person.trust.site,
            "StartWardCode": begin.ward,
            "EndSiteCodeofTreatment": person.trust.site,
            "EndWardCode": begin.ward,
            **coded(visit, begin.at),
        }


def coded(visit: Visit, at: datetime) -> dict[str, str]:
    """Return the diagnoses (ICD-10, without the point) and procedures (OPCS-4)."""
    values: dict[str, str] = {}
    codes = [code.replace(".", "") for code, _ in visit.diagnoses]
    for name, code in zip(("PrimaryDiagnosisICD", "SecondaryDiagnosisICD", "2nd50thSecondaryDiagnosisICD"), codes):
        values[name] = code
    if codes:
        values["DiagnosisSchemeinUse"] = "02"
    for rank, (code, _) in zip(("Primary", "Secondary"), visit.procedures):
        values[f"{rank}ProcedureOPCS"] = code.replace(".", "")
        values[f"{rank}ProcedureDate"] = day(at + timedelta(days=1))
        values["ProcedureSchemeInUse"] = "02"
    return values


def outpatient(person: Person, seen: Seen, clinic: Clinic, number: int, today: date) -> dict[str, str]:
    procedure = {
        "ProcedureSchemeInUse": "02",
        "PrimaryProcedureOPCS": clinic.procedures[0][0].replace(".", ""),
        "PrimaryProcedureDate": day(clinic.at),
    } if clinic.procedures else {}  # fmt: skip
    return {
        **common("Outpatient", person, seen, f"{seen.number}O{number:02d}", clinic.at.date(), today),
        "AttendanceIdentifier": f"{seen.number}O{number:02d}",
        "ConsultantCode": person.trust.staff[0 if clinic.specialty in ("100", "110", "130") else 1].number,
        "CareProfessionalMainSpecialtyCode": clinic.specialty,
        "ActivityTreatmentFunctionCode": clinic.specialty,
        "AdministrativeCategoryCode": "01",
        "AttendedOrDidNotAttendCode": clinic.attended,
        "FirstAttendanceCode": "1" if clinic.first else "2",
        "OutcomeofAttendanceCode": clinic.outcome,
        "AppointmentDate": day(clinic.at),
        "AppointmentTime": time(clinic.at),
        "SiteCodeofTreatment": person.trust.site,
        **procedure,
    }


def emergency(person: Person, seen: Seen, visit: Visit, number: int, today: date) -> dict[str, str]:
    arrived, left = visit.moves[0].at, visit.moves[-1].at
    attendance = f"{seen.number}V{number:02d}"
    return {
        **common("Emergency", person, seen, attendance, arrived.date(), today),
        "SiteCodeofTreatment": person.trust.site,
        "AttendanceNumber": attendance,
        "ArrivalModeCode": "2",
        "AttendanceCategoryCode": "1",
        "AttendanceDisposal": f"0{visit.disposal}",
        "SourceofReferral": "01",
        "AEDepartmentType": "01",
        "ArrivalDate": day(arrived),
        "ArrivalTime": time(arrived),
        "AttendanceConclusionDate": day(left),
        "AttendanceConclusionTime": time(left),
        "DepartureDate": day(left),
        "DepartureTime": time(left),
    }


def ecds(person: Person, seen: Seen, visit: Visit, ident: str) -> dict[str, str]:
    """Return the row of an attendance. Its columns are those of a pseudonymised copy: no name, and no NHS number."""
    arrived = visit.moves[0].at
    year = arrived.year if arrived.month > 3 else arrived.year - 1
    return {
        "EC_Ident": ident,
        "Patient_ID": seen.number.lstrip("H"),
        "Arrival_Date": f"{arrived:%Y-%m-%d}",
        "Arrival_Time": f"{arrived:%H:%M:%S}",
        "Der_Activity_Month": f"{arrived:%Y%m}",
        "Der_Financial_Year": f"{year}/{(year + 1) % 100:02d}",
        "EC_AttendanceCategory": "1",
        "EC_Department_Type": "01",
        "EC_Chief_Complaint_SNOMED_CT": COMPLAINTS.get(visit.reason, ""),
        "Ethnic_Category": person.ethnicity,
    }


_MARKS = str.maketrans("ëôéèüñ", "eoeeun")


def plain(text: str) -> str:
    return text.translate(_MARKS).encode("ascii", "replace").decode("ascii")


def day(at: date) -> str:
    return f"{at:%Y%m%d}"


def time(at: datetime) -> str:
    return f"{at:%H%M%S}"

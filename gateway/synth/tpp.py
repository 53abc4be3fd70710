"""Deliveries in the layout of TPP SystmOne's Strategic Reporting extract: a file a table, and a manifest.

Row identifiers are made of the person's key and what the row is, so that a row has the same one in every delivery.
Local codes (``Y…``) stand where our list has no Read code; lists are told in words, as an extract can be set up to.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache

from gateway.synth.codes import CODES, DRUGS
from gateway.synth.draw import digest
from gateway.synth.layouts import tables
from gateway.synth.outputs import Files, Table
from gateway.synth.truth import Address, Consultation, Entry, Medicine, Person, Practice, Reminder

Values = dict[str, str]
Rows = Iterator[tuple[str, Values]]

MANIFEST = "SRManifest"
TABLES = {name: columns for name, columns in tables("tpp").items() if name != MANIFEST}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
REFERENCE = frozenset({"SRMapping", "SRCtv3"})
"""Tables that are the same at every unit, as the manifest says it."""

CCG = "1"
NONE = "-1"
ENCODING = "cp1252"
BEGAN = "19000101_0000"


def stamp(at: datetime | date | None) -> str:
    """Return a time as SystmOne writes it, whatever the language of the machine; "" for none."""
    if at is None:
        return ""
    time = f"{at:%H:%M:%S}" if isinstance(at, datetime) else "00:00:00"
    return f"{at.day:02d} {MONTHS[at.month - 1]} {at.year} {time}"


@lru_cache(maxsize=4096)
def row_id(*parts: object) -> str:
    """Return the number of a row: below 2^60, so that among millions of rows none meets another."""
    return str(int(digest(*parts)[:15], 16))


def patient_id(person: Person) -> str:
    return row_id(person.key, "patient")


def staff_id(practice: Practice, place: int) -> str:
    return row_id("staff", practice.ods, place)


class Extract:
    """A delivery in the making: every table has its file. ``changes`` is for one that brings only what changed."""

    def __init__(self, files: Files, when: datetime, inside: str = "", since: datetime | None = None):
        self._when, self._since = when, since
        self._tables = {
            name: Table(files.file(f"{inside}{name}.csv", ENCODING), columns, quoting=csv.QUOTE_ALL)
            for name, columns in TABLES.items()
        }
        self._manifest = Table(
            files.file(f"{inside}{MANIFEST}.csv", ENCODING), tables("tpp")[MANIFEST], quoting=csv.QUOTE_ALL
        )
        self.written = dict.fromkeys(TABLES, 0)

    def begin(self) -> None:
        """Write the headers and the manifest."""
        self._manifest.head()
        for name, table in self._tables.items():
            table.head()
            self._manifest.put(
                {
                    "FileName": name,
                    "IsDelta": "Y" if self._since else "N",
                    "IsReference": "Y" if name in REFERENCE else "N",
                    "DateExtractFrom": f"{self._since:%Y%m%d_%H%M}" if self._since else BEGAN,
                    "DateExtractTo": f"{self._when:%Y%m%d_%H%M}",
                }
            )

    def put(self, table: str, values: Values) -> None:
        self.written[table] += 1
        self._tables[table].put(values if table == "SRMapping" else {"RemovedData": "0", **values})

    def put_all(self, rows: Rows) -> None:
        for table, values in rows:
            self.put(table, values)

    def add(self, person: Person) -> None:
        """Write everything that practices with SystmOne hold of a person; nothing for one they do not know."""
        for record in person.records:
            if record.gp and record.practice.system == "tpp":
                self.put_all(patient_rows(record))


def directory_rows(practices: Sequence[Practice]) -> Rows:
    """Return what all units share: words of codes, practices and staff."""
    for code in CODES.values():
        yield "SRCtv3", {"RowIdentifier": row_id("ctv3", code.term), "Ctv3Code": ctv3(code.read), "Ctv3Text": code.term}
    yield "SRCcg", {"RowIdentifier": CCG, "Name": "Vellshire Integrated Care Board", "OdsCode": "QZZ"}
    for practice in practices:
        if practice.system != "tpp":
            continue
        yield (
            "SROrganisation",
            {
                "RowIdentifier": row_id("organisation", practice.ods),
                "Name": practice.name,
                "ID": practice.ods,
                "NameOfRoad": practice.address.street,
                "NameOfTown": practice.address.town,
                "NameOfCounty": practice.address.county,
                "FullPostCode": practice.address.postcode,
                "Telephone": "01632960980",
                "MadeObsolete": "FALSE",
                "IDTrust": NONE,
                "IDCcg": CCG,
            },
        )
        for place, staff in enumerate(practice.staff):
            yield (
                "SRStaffMember",
                {
                    "RowIdentifier": staff_id(practice, place),
                    "StaffName": f"{staff.title} {staff.given} {staff.family}",
                    "Obsolete": "FALSE",
                },
            )
            yield (
                "SRStaffMemberProfile",
                {
                    "RowIdentifier": row_id("profile", practice.ods, place),
                    "StaffRole": staff.job,
                    "DateEmploymentStart": stamp(date(2010, 1, 1)),
                    "IDStaffMember": staff_id(practice, place),
                    "IDOrganisation": practice.ods,
                    **({"GmpID": staff.number} if staff.number.startswith("G") else {}),
                },
            )


def ctv3(read: str) -> str:
    """Return a code of five places; one of another system's own is written as SystmOne writes local codes."""
    return f"Y{digest(read)[:4]}" if read.startswith("EMIS") else read[:5]


def patient_rows(person: Person) -> Rows:
    """Return all that the practice holds of one person."""
    yield "SRPatient", patient(person)
    yield from registration(person)
    yield from contacts(person)
    story = person.story
    for seen in story.consultations:
        yield "SREvent", event(person, seen)
    times = {seen.key: seen for seen in story.consultations}
    for entry in story.entries:
        yield from entry_rows(person, entry, times.get(entry.consultation))
    for medicine in story.medicines:
        yield from medicine_rows(person, medicine)
    for reminder in story.reminders:
        yield "SRRecall", recall(person, reminder)
    if story.consultations:
        yield from appointment(person, max(story.consultations, key=lambda seen: seen.at))


def unit(person: Person) -> Values:
    return {"IDOrganisationVisibleTo": person.practice.ods}


def patient(person: Person) -> Values:
    seen, death = person.seen("gp"), person.known_death
    return {
        **unit(person),
        "RowIdentifier": patient_id(person),
        "Title": person.title,
        "FirstName": seen.given,
        "MiddleNames": person.middle,
        "Surname": seen.family,
        "NHSNumber": seen.nhs_number,
        "DateBirth": stamp(seen.birth)[:-3],
        "DateDeath": stamp(death)[:-3] if death else "",
        "Gender": seen.sex or person.sex,
        "EmailAddress": person.email,
        "TestPatient": "FALSE",
        "SpineMatched": "TRUE" if seen.verified and seen.nhs_number else "FALSE",
    }


def registration(person: Person) -> Rows:
    """Return the registration with this practice, open while the person lives and has not left."""
    left = person.left or person.known_death
    yield (
        "SRPatientRegistration",
        {
            **unit(person),
            "RowIdentifier": row_id(person.key, "registration"),
            "DateEventRecorded": stamp(person.registered),
            "DateRegistration": stamp(person.registered),
            "DateDeRegistration": stamp(left),
            "RegistrationStatus": "GMS",
            "IDPatient": patient_id(person),
            "IDOrganisation": person.practice.ods,
            "IDOrganisationRegisteredAt": person.practice.ods,
        },
    )


def contacts(person: Person) -> Rows:
    """Return where the person lives and lived, and how they are reached."""
    done = {"IDDoneBy": staff_id(person.practice, 1), "IDOrganisationDoneAt": person.practice.ods}
    homes: list[tuple[Address, date, date | None]] = [(person.address, person.moved or person.registered, None)]
    if person.moved and person.old_address:
        homes.append((person.old_address, person.registered, person.moved))
    for number, (home, since, until) in enumerate(homes):
        yield (
            "SRPatientAddressHistory",
            {
                **unit(person),
                **done,
                "RowIdentifier": row_id(person.key, "address", number),
                "DateEventRecorded": stamp(max(since, person.registered)),
                "DateEvent": stamp(since),
                "NameOfBuilding": home.house,
                "NameOfRoad": home.street,
                "NameOfTown": home.town,
                "NameOfCounty": home.county,
                "FullPostCode": home.postcode,
                "DateTo": stamp(until),
                "AddressType": "Home",
                "IDPatient": patient_id(person),
                "IDOrganisation": person.practice.ods,
            },
        )
    for kind, telephone in (("Home", person.home_phone), ("Mobile", person.mobile)):
        yield (
            "SRPatientContactDetails",
            {
                **unit(person),
                **done,
                "RowIdentifier": row_id(person.key, "contact", kind),
                "DateEventRecorded": stamp(person.registered),
                "DateEvent": stamp(person.registered),
                "ContactType": kind,
                "ContactNumber": telephone,
                "IDPatient": patient_id(person),
                "IDOrganisation": person.practice.ods,
            },
        )
    if person.carer:
        yield (
            "SRPatientRelationship",
            {
                **unit(person),
                **done,
                "RowIdentifier": row_id(person.key, "carer"),
                "DateEventRecorded": stamp(person.registered),
                "DateEvent": stamp(person.registered),
                "RelationshipType": "Daughter",
                "CaresForPatient": "TRUE",
                "RelationshipWithName": person.carer,
                "IDPatient": patient_id(person),
                "IDOrganisation": person.practice.ods,
            },
        )


def row(person: Person, key: str, at: datetime | date, entered: datetime | date, consultation: str = "") -> Values:
    """Return what every row of the record carries."""
    place = 1 if any(seen.key == consultation and seen.kind == "Clinic" for seen in person.story.consultations) else 0
    return {
        **unit(person),
        "RowIdentifier": row_id(person.key, key),
        "DateEventRecorded": stamp(entered),
        "DateEvent": stamp(at),
        "IDProfileEnteredBy": row_id("profile", person.practice.ods, place),
        "IDDoneBy": staff_id(person.practice, place),
        "IDOrganisationDoneAt": person.practice.ods,
        "IDEvent": row_id(person.key, f"event:{consultation}") if consultation else NONE,
        "IDPatient": patient_id(person),
        "IDOrganisation": person.practice.ods,
        "IDOrganisationRegisteredAt": person.practice.ods,
    }


def event(person: Person, seen: Consultation) -> Values:
    values = row(person, f"event:{seen.key}", seen.at, seen.at, seen.key)
    del values["IDEvent"]
    return {**values, "ContactEventLocation": "Surgery", "EventIncomplete": "FALSE", "ClinicalEvent": "TRUE"}


def entry_rows(person: Person, entry: Entry, seen: Consultation | None) -> Rows:
    """Return a coded entry, and the problem, immunisation or referral that it is."""
    code = CODES[entry.code]
    at = seen.at if seen and seen.at.date() == entry.at else entry.at
    entered = max(seen.at.date() if seen else entry.at, person.registered)
    values = row(person, f"code:{entry.key}", at, entered, entry.consultation)
    if code.kind == "Immunisation" and not code.term.endswith("declined"):
        yield (
            "SRImmunisation",
            {**values, "ImmsReadCode": ctv3(code.read), "ImmsSNOMEDCode": code.snomed or NONE},
        )
        return
    if code.kind == "Referral":
        yield (
            "SRReferralOut",
            {
                **values,
                "Reason": person.free(code.term),
                "IDProfileReferrer": row_id("profile", person.practice.ods, 0),
                "Urgency": "Routine",
                "PrimaryDiagnosis": ctv3(code.read),
                "SNOMEDPrimaryDiagnosis": code.snomed or NONE,
            },
        )
        return
    yield (
        "SRCode",
        {
            **values,
            "CTV3Code": ctv3(code.read),
            "CTV3Text": code.term,
            "SNOMEDCode": code.snomed or NONE,
            "SNOMEDText": code.term if code.snomed else "",
            "IsNumeric": "TRUE" if entry.value else "FALSE",
            "NumericValue": entry.value or "0",
            "NumericUnit": entry.unit,
        },
    )
    if entry.problem:
        yield (
            "SRProblem",
            {
                **row(person, f"problem:{entry.key}", at, entered, entry.consultation),
                "CTV3Code": ctv3(code.read),
                "DateEnd": stamp(entry.problem.ended),
                "Severity": "Major" if entry.problem.significant else "Minor",
                "IDCode": row_id(person.key, f"code:{entry.key}"),
            },
        )


def medicine_rows(person: Person, medicine: Medicine) -> Rows:
    """Return a repeat template with its issues, or an acute medicine."""
    drug = DRUGS[medicine.drug]
    about = {
        "IDMultiLexProduct": NONE,  # an invented number could be another product's
        "IDMultiLexDMD": drug.dmd or NONE,
        "NameOfMedication": drug.term,
        "MedicationDosage": person.free(medicine.dosage),
        "MedicationQuantity": f"{medicine.quantity} {medicine.unit}",
    }
    template = NONE
    if medicine.repeat:
        template = row_id(person.key, f"repeat:{medicine.key}")
        ended = medicine.stopped or person.known_death or person.left
        yield (
            "SRRepeatTemplate",
            {
                **row(person, f"repeat:{medicine.key}", medicine.start, max(medicine.start, person.registered)),
                **about,
                "DateMedicationTemplateStart": stamp(medicine.start),
                "DateMedicationTemplateEnd": stamp(ended),
                "MaxIssues": "12",
                "CourseLengthPerIssue": str(medicine.days),
                "DrugStatus": "Normal",
            },
        )
    for number, on in enumerate(medicine.issues):
        yield (
            "SRPrimaryCareMedication",
            {
                **row(person, f"issue:{medicine.key}:{number}", on, max(on, person.registered)),
                **about,
                "DateMedicationStart": stamp(on),
                "DateMedicationEnd": stamp(on + timedelta(days=medicine.days)),
                "IsRepeatMedication": "TRUE" if medicine.repeat else "FALSE",
                "IDRepeatTemplate": template,
            },
        )


def recall(person: Person, reminder: Reminder) -> Values:
    return {
        **row(person, f"recall:{reminder.key}", reminder.made, max(reminder.made, person.registered)),
        "DateRecall": stamp(reminder.due),
        "RecallType": CODES[reminder.code].term,
        "RecallInitialStatus": "Pending",
        "RecallStatus": "Pending",
        "RecallStatusDate": stamp(reminder.made),
    }


def appointment(person: Person, seen: Consultation) -> Rows:
    """Return the appointment that the latest consultation was held in, with its rota."""
    rota, start = row_id(person.key, f"rota:{seen.key}"), seen.at
    yield (
        "SRRota",
        {
            **unit(person),
            "RowIdentifier": rota,
            "DateCreation": stamp(start - timedelta(days=30)),
            "Name": seen.kind,
            "RotaType": "Surgery",
            "DateStart": stamp(start.replace(hour=8, minute=0)),
            "IDProfileOwner": row_id("profile", person.practice.ods, 0),
        },
    )
    yield (
        "SRAppointment",
        {
            **unit(person),
            "RowIdentifier": row_id(person.key, f"appointment:{seen.key}"),
            "DateStart": stamp(start),
            "DateEnd": stamp(start + timedelta(minutes=10)),
            "AppointmentStatus": "Finished",
            "DateAppointmentBooked": stamp(start - timedelta(days=2)),
            "DatePatientArrival": stamp(start),
            "DatePatientSeen": stamp(start),
            "IDClinician": staff_id(person.practice, 0),
            "IDProfileClinician": row_id("profile", person.practice.ods, 0),
            "IDRota": rota,
            "IDPatient": patient_id(person),
            "IDOrganisation": person.practice.ods,
        },
    )

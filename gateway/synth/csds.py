"""The community trust's monthly submissions, shaped like the Community Services Data Set: a folder a month, a CSV a
table.

A month tells of the people of whom something happened in it: whose referral came, was open with a contact, or ended.
Columns are the submitted fields of version 1.6 (``layouts.csv``).
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from gateway.synth.layouts import tables
from gateway.synth.outputs import Files, Table
from gateway.synth.truth import Course, Person

PROVIDER = "RZY"
"""An invented community trust, as RZZ is an invented hospital."""

MONTHS = 2
SEXES = {"M": "1", "F": "2", "I": "9", "U": "X"}
HEADER = "CYP000Header"


class Month(NamedTuple):
    start: date
    end: date

    def has(self, on: date | None) -> bool:
        return on is not None and self.start <= on <= self.end


def months(today: date) -> list[Month]:
    """Return the last whole months before ``today``, the oldest first."""
    periods, first = [], today.replace(day=1)
    for _ in range(MONTHS):
        end = first - timedelta(days=1)
        first = end.replace(day=1)
        periods.append(Month(first, end))
    return periods[::-1]


class Submissions:
    """The tables of each month's submission in the making."""

    def __init__(self, files: Files, today: date, inside: str = "csds/"):
        self._today = today
        self._months = {
            month: {
                name: Table(files.file(f"{inside}{month.start:%Y-%m}/{name}.csv"), columns)
                for name, columns in tables("csds").items()
            }
            for month in months(today)
        }
        self.written = 0

    def begin(self) -> None:
        """Write the headers of the tables, and the header of each submission."""
        for month, files in self._months.items():
            for table in files.values():
                table.head()
            sent = datetime.combine(min(month.end + timedelta(days=20), self._today), time(9))
            files[HEADER].put(
                {
                    "Version": "1.6",
                    "OrgID_Provider": PROVIDER,
                    "OrgID_Submitter": PROVIDER,
                    "RP_StartDate": f"{month.start}",
                    "RP_EndDate": f"{month.end}",
                    "FileCreation_DateTime": f"{sent:%Y-%m-%d %H:%M:%S}",
                    "PrimarySystem": "SYNTHETIC",
                }
            )

    def add(self, person: Person) -> None:
        """Write what the teams did for a person in each month; nothing where nothing happened."""
        for month, files in self._months.items():
            for number, course in enumerate(person.story.courses, 1):
                if is_told(course, month):
                    self._course(files, person, f"{local(person)}R{number:02d}", course, month)
            if any(is_told(course, month) for course in person.story.courses):
                self._person(files, person, month)

    def _person(self, files: dict[str, Table], person: Person, month: Month) -> None:
        dead = person.death if person.death and person.death <= month.end else None
        files["CYP001MPI"].put(
            {
                "LocalPatientID": local(person),
                "OrgID_LocalPatientID": PROVIDER,
                "NHSNumber": person.nhs_number,
                "NHSNumber_Status": "01",
                "DateOfBirth": f"{person.birth}",
                "Postcode": person.address_on(month.end).postcode,
                "Gender": SEXES[person.sex],
                "EthnicCategory": person.ethnicity,
                "DateOfDeath": f"{dead or ''}",
            }
        )
        files["CYP002GP"].put(
            {
                "LocalPatientID": local(person),
                "OrgID_GP": person.practice.ods,
                "GPRegistration_StartDate": f"{person.registered}",
            }
        )
        self.written += 2

    def _course(self, files: dict[str, Table], person: Person, referral: str, course: Course, month: Month) -> None:
        ended = course.ended if course.ended and course.ended <= month.end else None
        team = f"T{course.team}"
        files["CYP101Referral"].put(
            {
                "ServiceRequestID": referral,
                "LocalPatientID": local(person),
                "ReferralRequest_ReceivedDate": f"{course.asked}",
                "SourceOfReferral": course.source,
                "Priority_Type": "1",
                "Discharge_Date": f"{ended or ''}",
            }
        )
        files["CYP102ServiceTypeReferredTo"].put(
            {
                "ServiceRequestID": referral,
                "TeamID_Local": team,
                "TeamType": course.team,
                "Referral_ClosureDate": f"{ended or ''}",
            }
        )
        self.written += 2
        for number, at in enumerate(course.contacts, 1):
            if month.has(at.date()):
                self._contact(files, referral, f"{referral}C{number:03d}", team, at)

    def _contact(self, files: dict[str, Table], referral: str, contact: str, team: str, at: datetime) -> None:
        files["CYP201CareContact"].put(
            {
                "CareContactID": contact,
                "ServiceRequestID": referral,
                "TeamID_Local": team,
                "Contact_Date": f"{at:%Y-%m-%d}",
                "Contact_Time": f"{at:%H:%M:%S}",
                "AdminCategory": "01",
                "CareContact_Duration": "40",
                "ConsMechanism": "01",
                "Activity_LocationType": "A01",
                "AttendanceStatus": "5",
            }
        )
        files["CYP202CareActivity"].put(
            {
                "CareActivityID": f"{contact}A1",
                "CareContactID": contact,
                "Activity_Type": "03",
                "CareActivity_Duration": "40",
            }
        )
        self.written += 2


def local(person: Person) -> str:
    return f"C{person.number:07d}"


def is_told(course: Course, month: Month) -> bool:
    """Whether something of the course happened in the month."""
    return month.has(course.asked) or month.has(course.ended) or any(month.has(at.date()) for at in course.contacts)

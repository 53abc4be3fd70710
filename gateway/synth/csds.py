"""The community trust's monthly submission, shaped like the Community Services Data Set: a CSV a table.

Everyone that a team saw, with their referrals and contacts, in one submission of the twelve months before today.
"""

from __future__ import annotations

from datetime import date, timedelta

from gateway.synth.draw import years_before
from gateway.synth.layouts import tables
from gateway.synth.outputs import Files, Table
from gateway.synth.truth import Course, Person

PROVIDER = "RZY"
"""An invented community trust, as RZZ is an invented hospital."""

SEXES = {"M": "1", "F": "2", "I": "9", "U": "X"}


class Submission:
    """The tables of one submission in the making."""

    def __init__(self, files: Files, today: date, inside: str = "csds/"):
        self._start = years_before(today, 1)
        self._period = {
            "organisation_identifier_code_of_provider": PROVIDER,
            "reporting_period_start_date": f"{self._start}",
            "reporting_period_end_date": f"{today - timedelta(days=1)}",
        }
        self._tables = {name: Table(files.file(f"{inside}{name}.csv"), names) for name, names in tables("csds").items()}
        self.written = 0

    def begin(self) -> None:
        """Write the headers."""
        for table in self._tables.values():
            table.head()

    def add(self, person: Person) -> None:
        """Write what the teams did for a person; nothing for one that no team saw."""
        courses = [course for course in person.story.courses if self._is_told(course)]
        if not courses:
            return
        local = f"C{person.number:07d}"
        self._put(
            "CYP001MPI",
            {
                "local_patient_identifier_extended": local,
                "organisation_identifier_local_patient_identifier": PROVIDER,
                "nhs_number": person.nhs_number,
                "nhs_number_status_indicator_code": "01",
                "person_birth_date": f"{person.birth}",
                "postcode_of_usual_address": person.address.postcode,
                "person_stated_gender_code": SEXES[person.sex],
                "ethnic_category": person.ethnicity,
                "person_death_date": f"{person.death or ''}",
            },
        )
        self._put(
            "CYP002GP",
            {
                "local_patient_identifier_extended": local,
                "general_medical_practice_code_patient_registration": person.practice.ods,
                "registration_start_date": f"{person.registered}",
            },
        )
        for number, course in enumerate(courses, 1):
            self._course(local, f"{local}R{number:02d}", course)

    def _is_told(self, course: Course) -> bool:
        """Whether the referral was open, or somebody was seen, in the period."""
        return course.ended is None or course.ended >= self._start

    def _course(self, local: str, referral: str, course: Course) -> None:
        self._put(
            "CYP101Referral",
            {
                "service_request_identifier": referral,
                "local_patient_identifier_extended": local,
                "referral_request_received_date": f"{course.asked}",
                "service_discharge_date": f"{course.ended or ''}",
                "priority_type_code": "1",
                "source_of_referral_for_community": course.source,
            },
        )
        team = f"T{course.team}"
        self._put(
            "CYP102ServiceTypeReferredTo",
            {
                "service_request_identifier": referral,
                "care_professional_team_local_identifier": team,
                "service_or_team_type_referred_to_community_care": course.team,
                "referral_closure_date": f"{course.ended or ''}",
            },
        )
        for number, at in enumerate(course.contacts, 1):
            if at.date() < self._start:
                continue
            contact = f"{referral}C{number:03d}"
            self._put(
                "CYP201CareContact",
                {
                    "care_contact_identifier": contact,
                    "service_request_identifier": referral,
                    "care_contact_date": f"{at:%Y-%m-%d}",
                    "care_contact_time": f"{at:%H:%M:%S}",
                    "activity_location_type_code": "A01",
                    "attended_or_did_not_attend_code": "5",
                    "clinical_contact_duration_of_care_contact": "40",
                    "consultation_medium_used": "01",
                    "administrative_category_code": "01",
                    "care_professional_team_local_identifier": team,
                },
            )
            self._put(
                "CYP202CareActivity",
                {
                    "care_activity_identifier": f"{contact}A1",
                    "care_contact_identifier": contact,
                    "community_care_activity_type": "03",
                    "clinical_contact_duration_of_care_activity": "40",
                },
            )

    def _put(self, table: str, values: dict[str, str]) -> None:
        self._tables[table].put({**self._period, **values})
        self.written += 1

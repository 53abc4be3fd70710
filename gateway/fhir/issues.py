"""What is wrong with a resource, and where: never the value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Issue:
    """One fault. ``code`` is of FHIR's issue types (structure, required, value, invariant, code-invalid, too-long);
    ``location`` is a FHIRPath-like path (``Patient.name[0].given[1]``)."""

    severity: str
    code: str
    location: str
    message: str

    def as_dict(self) -> dict[str, str]:
        return {"severity": self.severity, "code": self.code, "location": self.location, "message": self.message}


MOST = 1_000
"""The largest number of faults reported for one resource."""


class Enough(Exception):
    """Raised when the largest number of faults is reached."""


class Found(list[Issue]):
    """A bounded list of faults. Raises ``Enough`` when it is full."""

    def append(self, issue: Issue) -> None:
        super().append(issue)
        if len(self) >= MOST:
            super().append(Issue("error", "incomplete", "", "so many faults that the rest is not told"))
            raise Enough

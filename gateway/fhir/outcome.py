"""Issues as an OperationOutcome."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.fhir.issues import Issue

CODES = frozenset({"structure", "required", "value", "invariant", "code-invalid", "too-long", "business-rule", "incomplete", "not-supported"})


def operation_outcome(issues: Sequence[Issue]) -> dict:
    """The OperationOutcome that tells these issues; none is told as success."""
    if not issues:
        return {"resourceType": "OperationOutcome", "issue": [{"severity": "information", "code": "informational", "details": {"text": "valid"}}]}
    return {"resourceType": "OperationOutcome", "issue": [_issue(issue) for issue in issues]}


def _issue(issue: Issue) -> dict:
    found: dict = {"severity": issue.severity, "code": issue.code if issue.code in CODES else "invalid", "details": {"text": issue.message}}
    if issue.location:
        found["expression"] = [issue.location]
    return found

"""What FHIR R4 means. Pure functions on plain dicts; no English policy, no I/O."""

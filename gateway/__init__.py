"""The NHS record gateway: local records in, FHIR R4 (UK Core) out, for direct care and for secondary use."""

__version__ = "0.1.0"

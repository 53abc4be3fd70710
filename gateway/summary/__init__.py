"""One person's record, already permitted and filtered, as a FHIR document and as a page."""

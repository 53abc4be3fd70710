"""FHIR over HTTP. Routes parse, call one function and wrap the answer; rules live elsewhere."""

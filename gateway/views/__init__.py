"""Tables of FHIR resources: SQL-on-FHIR ViewDefinitions, run over NDJSON files and written as Parquet."""

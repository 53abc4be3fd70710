"""What fhirpy finds and writes at GATEWAY: prints it as JSON."""

import json
import os

from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound

base, patient, number = os.environ["BASE"], os.environ["PATIENT"], os.environ["NUMBER"]
reads = SyncFHIRClient(base, authorization=f"Bearer {os.environ['READER']}")
writes = SyncFHIRClient(base, authorization=f"Bearer {os.environ['WRITER']}")

one = reads.reference("Patient", patient).to_resource()
observations = reads.resources("Observation").search(patient=patient).sort("-date").limit(1).fetch_all()
by_number = reads.resources("Observation").search(**{"patient.identifier": number}).fetch_all()
try:
    reads.reference("Patient", "unknown").to_resource()
    missing = "found"
except ResourceNotFound:
    missing = "not found"
try:
    reads.resources("Observation").search(nonsense="1", patient=patient).fetch()
    refused = "taken"
except OperationOutcome as outcome:
    refused = str(outcome)

written = writes.resource(
    "Patient", name=[{"family": "Zzclient"}], identifier=[{"system": "urn:client", "value": "fhirpy"}]
)
written.save()
first = written["id"]
written["gender"] = "female"
written.save()
is_kept = (written["id"], written["gender"]) == (first, "female")
written.delete()
print(
    json.dumps(
        {
            "family": one["name"][0]["family"],
            "observations": sorted(each["id"] for each in observations),
            "by_number": sorted(each["id"] for each in by_number),
            "missing": missing,
            "refused": refused,
            "written": is_kept,
        }
    )
)

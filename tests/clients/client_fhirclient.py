"""What fhirclient reads as its models at GATEWAY: prints it as JSON. It has no models of R4 alone, so it reads strictly
and refuses what R4 does not have."""

import json
import os

from fhirclient import client
from fhirclient.models.bundle import Bundle
from fhirclient.models.fhirabstractbase import FHIRValidationError
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from fhirclient.server import FHIRNotFoundException

base, patient = os.environ["BASE"], os.environ["PATIENT"]
smart = client.FHIRClient(settings={"app_id": "test", "api_base": base})
smart.server.session.headers["Authorization"] = f"Bearer {os.environ['READER']}"

one = Patient.read(patient, smart.server)
observations = list(Observation.where({"patient": patient, "_count": "1"}).perform_resources_iter(smart.server))
bundle = Bundle.read_from(f"Patient/{patient}/$everything", smart.server)
try:
    Patient.read("unknown", smart.server)
    missing = "found"
except FHIRNotFoundException:
    missing = "not found"
summary = smart.server.request_json(f"Patient/{patient}/$summary")
try:
    Bundle(summary)
    is_read = True
except FHIRValidationError:
    is_read = False
print(
    json.dumps(
        {
            "family": one.name[0].family,
            "observations": sorted(each.id for each in observations if isinstance(each, Observation)),
            "everything": sorted({each.resource.resource_type for each in bundle.entry}),
            "missing": missing,
            "summary": is_read,
        }
    )
)

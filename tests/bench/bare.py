"""The framework alone, to hold the gateway against: a route that answers the same bytes with no token, no limits, no
store, no audit."""

from fastapi import FastAPI, Response

BODY = b'{"resourceType":"Observation","note":[{"text":"' + b"x" * 1000 + b'"}]}'
app = FastAPI(openapi_url=None)


@app.get("/fhir/{resource_type}/{id_}")
def read(resource_type: str, id_: str) -> Response:
    return Response(BODY, media_type="application/fhir+json")

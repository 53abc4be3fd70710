"""Who is calling: whatever is wrong with a token, the answer is one 401; what a role may not do is refused before any
look-up."""

import base64
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives import serialization

from gateway.nhs import sandbox
from gateway.signin.issue import issue, new_key
from gateway.signin.sandbox import AUDIENCE, ISSUER
from tests.api.people import ANN, uid

GREEN = sandbox.claims("dr-green")
ROLE = GREEN["nhsid_nrbac_roles"][0]
PATH = f"/fhir/Patient/{uid(1)}"


def b64(value) -> str:
    return (
        base64.urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode())
        .rstrip(b"=")
        .decode()
    )


def parts(token: str) -> tuple[dict, dict]:
    return tuple(json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])


def hmac_with_the_public_key(api, key: bytes) -> str:
    header, claims = parts(api.token("dr-green"))
    public = serialization.load_pem_private_key(key, None).public_key()
    secret = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    signed = f"{b64({**header, 'alg': 'HS256'})}.{b64(claims)}"
    return f"{signed}.{b64(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def unsigned(api, _key: bytes) -> str:
    header, claims = parts(api.token("dr-green"))
    return f"{b64({**header, 'alg': 'none'})}.{b64(claims)}."


def issued(claims=GREEN, iss=ISSUER, audience=AUDIENCE, ago=0, key=None):
    def make(api, own: bytes) -> str:
        return issue(key() if key else own, iss, audience, claims, api.store.clock() - ago * 1_000_000)

    return make


def changed(api, _key: bytes) -> str:
    header, claims, signature = api.token("dr-ward").split(".")
    return f"{header}.{b64({**parts(api.token('dr-ward'))[1], **GREEN})}.{signature}"


TWO_ROLES = {
    **GREEN,
    "selected_roleid": None,
    "nhsid_nrbac_roles": [ROLE, {**ROLE, "person_roleid": "2", "role_code": "S8001:G8002:R8009"}],
}
BAD = {
    "missing": lambda api, key: None,
    "empty": lambda api, key: "Bearer ",
    "basic": lambda api, key: "Basic ZHI6Z3JlZW4=",
    "two tokens": lambda api, key: f"Bearer {api.token('dr-green')} {api.token('dr-green')}",
    "garbage": lambda api, key: "Bearer garbage",
    "three dots": lambda api, key: "Bearer a.b.c",
    "not ASCII": lambda api, key: "Bearer é".encode("latin-1"),
    "very long": lambda api, key: "Bearer " + "a" * 10_000,
    "expired": issued(ago=4000),
    "not yet": issued(ago=-4000),
    "forged": issued(key=new_key),
    "claims of another": changed,
    "alg none": unsigned,
    "HS256 with the public key": hmac_with_the_public_key,
    "issuer unknown": issued(iss="urn:elsewhere"),
    "audience another's": issued(audience="elsewhere"),
    "two roles, none selected": issued(TWO_ROLES),
    "roles that cannot be read": issued({**GREEN, "nhsid_nrbac_roles": "R8000"}),
    "no role": issued(sandbox.claims("no-role")),
    "role selected that is not theirs": issued({**GREEN, "selected_roleid": "2"}),
    "user and system scopes": issued({**sandbox.claims("researcher"), "scope": "system/*.rs user/*.rs"}),
    "a client of no project": issued({**sandbox.claims("researcher"), "project": ""}),
}


def answer_to(api, key: bytes, make, path: str = PATH, method: str = "GET"):
    token = make(api, key)
    if isinstance(token, str) and not token.startswith(("Bearer", "Basic")):
        token = f"Bearer {token}"
    return api.client.request(method, path, headers={} if token is None else {"Authorization": token})


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_a_token_that_does_not_hold_is_answered_as_no_token_is(everything, issuer_key, make):
    none, answer = answer_to(everything, issuer_key, BAD["missing"]), answer_to(everything, issuer_key, make)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.content == none.content
    assert answer.json()["issue"][0]["code"] == "login"


def test_the_token_of_the_same_shape_that_is_right_holds(everything, issuer_key):
    assert answer_to(everything, issuer_key, issued()).status_code == 200


KNOWN_ONLY = [
    ("GET", "/fhir/Patient"), ("GET", PATH), ("GET", f"{PATH}/_history"), ("GET", f"{PATH}/_history/1"), ("POST", "/fhir/Patient/_search"),
    ("GET", f"{PATH}/$summary"), ("GET", "/fhir/Patient/$summary"), ("POST", "/fhir/Patient/$summary"), ("GET", "/fhir/$export"),
    ("GET", "/fhir/Patient/$export"), ("GET", "/fhir/bulk/x"), ("DELETE", "/fhir/bulk/x"), ("GET", "/fhir/bulk/x/y"), ("GET", "/metrics"),
    ("POST", "/sandbox/permission"), ("GET", "/fhir/Nothing/1"), ("GET", "/fhir/Observation?unknown=1"),
]  # fmt: skip


@pytest.mark.parametrize("method, path", KNOWN_ONLY)
def test_nothing_of_anybody_is_answered_to_nobody(everything, issuer_key, method, path):
    answer = answer_to(everything, issuer_key, BAD["forged"], path, method)
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"


REFUSED = [
    ("receptionist", "/fhir/Observation/{}", "role"), ("receptionist", "/fhir/Observation?patient={}", "role"),
    ("receptionist", "/fhir/Patient/{}/_history", "role"), ("receptionist", "/fhir/Patient/{}/$summary", "role"),
    ("privacy-officer", "/fhir/Patient/{}", "role"), ("student", "/fhir/Patient/{}", "role"), ("admin", "/fhir/Patient/{}", "role"),
    ("researcher", "/fhir/Patient/{}", "role"), ("pharmacist", "/fhir/Encounter/{}", "role"), ("social-worker", "/fhir/Immunization/{}/_history", ""),
]  # fmt: skip


@pytest.mark.parametrize("user, path, code", REFUSED)
def test_a_role_is_refused_before_anything_is_looked_up(everything, user, path, code):
    """The same for an id that is there and one that is not, and no patient in the audit."""
    there, absent = everything.get(path.format(uid(1)), user), everything.get(path.format(uid(9)), user)
    assert there.content == absent.content and there.status_code == absent.status_code
    assert there.status_code == (403 if code else 404)
    if code:
        assert there.json()["issue"][0]["details"]["coding"][0]["code"] == code
        assert all(event["patients"] == [] for event in everything.audit()[-2:])


def test_a_number_is_not_looked_up_for_a_role_that_may_not_ask(everything):
    known, unknown = (
        everything.get(
            "/fhir/Observation", "receptionist", **{"patient.identifier": f"https://fhir.nhs.uk/Id/nhs-number|{number}"}
        )
        for number in (ANN, "9990000042")
    )
    assert (known.status_code, known.content) == (403, unknown.content)


def test_only_operators_see_the_metrics(everything):
    assert everything.get("/metrics", "dr-green").status_code == 403
    told = everything.get("/metrics", "admin").text
    assert 'route="/fhir/{resource_type}/{id_}"' in told and uid(1) not in told


@pytest.mark.parametrize("second", ["dr-ward", "dr-green", "", "Basic"])
def test_two_authorization_headers_are_nobody(clinic, second):
    """Whoever stands in front of us may have read the other one."""
    other = f"Bearer {clinic.token(second)}" if second.startswith("dr") else second
    headers = [("Authorization", f"Bearer {clinic.token('dr-green')}"), ("authorization", other)]
    assert clinic.client.get(PATH, headers=headers[:1]).status_code == 200
    for pair in (headers, headers[::-1]):
        assert clinic.client.get(PATH, headers=pair).status_code == 401

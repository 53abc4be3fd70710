"""What the gateway's own sign-in offers, as clients discover it: addresses, grants, algorithms and scopes.

All of it is read from the tables that decide, so that nothing else is promised.
"""

from __future__ import annotations

from typing import Any

from gateway.nhs import roles, scopes
from gateway.signin.registration import ALGORITHMS, LEVEL
from gateway.signin.token_endpoint import GRANT, TokenEndpoint

TOKEN, INTROSPECT, REVOKE, JWKS = "/auth/token", "/auth/introspect", "/auth/revoke", "/auth/jwks"
AUTHORIZE = "/auth/authorize"
CONFIGURATION = "/fhir/.well-known/smart-configuration"
"""The paths below the address that clients use."""


def endpoints(tokens: TokenEndpoint, root: str, *, launches: bool = False) -> dict[str, str]:
    """The addresses of the sign-in below ``root``, as the extension ``oauth-uris`` of SMART names them; none where no
    tokens are issued."""
    if not tokens.is_on:
        return {}
    launch = {"authorize": root + AUTHORIZE} if launches else {}
    return {**launch, "token": root + TOKEN, "introspect": root + INTROSPECT, "revoke": root + REVOKE}


def configuration(tokens: TokenEndpoint, root: str, *, launches: bool = False) -> dict[str, Any]:
    """https://hl7.org/fhir/smart-app-launch/conformance.html#metadata

    The SMART configuration of a gateway that issues tokens; ``launches``: also to apps, as a sandbox does. Without
    ``issuer``, which is for servers that issue ID tokens.
    """
    addresses = {"token_endpoint": TOKEN, "introspection_endpoint": INTROSPECT, "revocation_endpoint": REVOKE,
                 "jwks_uri": JWKS}  # fmt: skip
    configured: dict[str, Any] = {
        **{name: root + path for name, path in addresses.items()},
        "grant_types_supported": [GRANT],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "scopes_supported": scopes.offered(roles.system_acts(), LEVEL),
        "code_challenge_methods_supported": ["S256"],
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
    }
    if launches:
        for name, more in LAUNCHING.items():
            configured[name] = [*configured.get(name, ()), *more]
        configured["authorization_endpoint"] = root + AUTHORIZE
    return configured


LAUNCHING = {
    "grant_types_supported": ["authorization_code"],
    "token_endpoint_auth_methods_supported": ["none"],
    "response_types_supported": ["code"],
    "scopes_supported": ["launch/patient", "patient/*.rs", "patient/*.read", "user/*.rs", "user/*.read"],
    "capabilities": [
        "launch-standalone", "client-public", "context-standalone-patient", "permission-patient", "permission-user",
        "authorize-post",
    ],
}  # fmt: skip
"""What a sandbox offers beside, in which apps are tried."""

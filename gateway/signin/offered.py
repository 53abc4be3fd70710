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
ISSUER = "/auth"
OPENID = ISSUER + "/.well-known/openid-configuration"
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

    The SMART configuration of a gateway that issues tokens; ``launches``: also to apps, as a sandbox does. Only then
    with an ``issuer``, which is for servers that issue ID tokens.
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
        configured |= {"authorization_endpoint": root + AUTHORIZE, "issuer": root + ISSUER}
    return configured


def openid(root: str) -> dict[str, Any]:
    """https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata

    How an app verifies the ID tokens of a sandbox, below ``root``.
    """
    addresses = {"issuer": ISSUER, "authorization_endpoint": AUTHORIZE, "token_endpoint": TOKEN, "jwks_uri": JWKS}
    return {
        **{name: root + path for name, path in addresses.items()},
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "fhirUser"],
        "claims_supported": ["sub", "name", "fhirUser"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
    }


LAUNCHING = {
    "grant_types_supported": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_methods_supported": ["none"],
    "response_types_supported": ["code"],
    "scopes_supported": [
        "openid", "fhirUser", "launch", "launch/patient", "launch/encounter", "online_access", "offline_access",
        "patient/*.rs", "patient/*.read", "user/*.rs", "user/*.read",
    ],
    "capabilities": [
        "launch-standalone", "launch-ehr", "client-public", "sso-openid-connect", "context-banner",
        "context-standalone-patient", "context-standalone-encounter", "context-ehr-patient", "context-ehr-encounter",
        "permission-patient", "permission-user", "permission-offline", "permission-online", "authorize-post",
    ],
}  # fmt: skip
"""What a sandbox offers beside, in which apps are tried."""

"""The assertion by which this gateway signs in at another's token endpoint, signed with its own key.

NHS England's pattern "application-restricted RESTful APIs, signed JWT authentication" of
https://digital.nhs.uk/developer/guides-and-documentation/security-and-authorisation
"""

from __future__ import annotations

import uuid

from jose import jws
from jose.exceptions import JOSEError

from gateway.errors import Refused

ALGORITHM = "RS512"
SECONDS = 240
"""NHS England allows five minutes at most."""
KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def signed(private_pem: bytes, client: str, kid: str, audience: str, now: int, algorithm: str = ALGORITHM) -> str:
    """https://www.rfc-editor.org/rfc/rfc7523#section-2.2

    A signed JWT: ``client`` is the API key or the id of a client, ``kid`` names the public key that was registered,
    ``audience`` is the token endpoint exactly as it is called, ``now`` is µs UTC. Raises ``Refused`` for a key that is
    none of this algorithm in PEM.
    """
    claims = {
        "iss": client,
        "sub": client,
        "aud": audience,
        "jti": str(uuid.uuid4()),
        "exp": now // 1_000_000 + SECONDS,
    }
    try:
        token: str = jws.sign(claims, private_pem.decode(), headers={"kid": kid}, algorithm=algorithm)
    except (JOSEError, ValueError):
        raise Refused(f"the private key is not a key of {algorithm} in PEM") from None
    return token

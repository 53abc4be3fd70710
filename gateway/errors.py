"""The kinds of failure, one class each. A message names the place, never the value: values are patients."""

from collections.abc import Sequence
from typing import Any


class GatewayError(Exception):
    """Base of all failures of the gateway's own. The message is safe to log and to show."""


class Invalid(GatewayError):
    """Input is not valid. The message is the place (``column NhsNumber``)."""


class Unsupported(GatewayError):
    """A parameter, type or operation is not supported. The message names it."""


class NotAcceptable(GatewayError):
    """The client accepts no format that the gateway produces."""


class WrongMedia(GatewayError):
    """The content type of the body is not accepted."""


class TooLarge(GatewayError):
    """A body, its depth or its cost is over the limit."""


class Unauthenticated(GatewayError):
    """There is no token, or it is not valid."""


class Forbidden(GatewayError):
    """The caller may not do this, whoever the patient is. ``code`` is machine-readable (``ptv-required``)."""

    def __init__(self, message: str, code: str = "forbidden"):
        super().__init__(message)
        self.code = code


class NotFound(GatewayError):
    """The resource does not exist or is not visible to the caller. The answer does not tell which."""


class Gone(NotFound):
    """The resource was visible to this caller and has been deleted."""


class Conflict(GatewayError):
    """The state has changed since it was read."""


class Stale(GatewayError):
    """The resource is not of the version that the request names, or its condition does not hold (412)."""


class NotAllowed(GatewayError):
    """What is named is nothing that anybody writes over the API (405)."""


class Unprocessable(GatewayError):
    """A resource is not taken (422). ``issues`` say why: each has a severity, code, location and message."""

    def __init__(self, issues: Sequence[Any]):
        super().__init__("the resource is not taken")
        self.issues = issues


class Refused(GatewayError):
    """The operator's command cannot run as asked (exit 2)."""


class Throttled(GatewayError):
    """The caller asks too often (429). ``seconds`` says when to ask again."""

    def __init__(self, message: str, seconds: int = 1):
        super().__init__(message)
        self.seconds = seconds


AUDIT_DAMAGED = "audit-damaged"
"""The code where the file of an audit is damaged, and not the database."""


class Unavailable(GatewayError):
    """The gateway cannot answer now: no audit, no code sets, no database (503). ``code`` is the machine-readable reason
    (``disk-full``)."""

    def __init__(self, message: str, code: str = ""):
        super().__init__(message)
        self.code = code

"""The kinds of failure, one class each. A message names the place, never the value: values are patients."""


class GatewayError(Exception):
    """Anything the gateway says no to. The message is safe to log and to show."""


class Invalid(GatewayError):
    """Something sent to us is not what it should be; the message is the place (``column NhsNumber``)."""


class Unsupported(GatewayError):
    """A parameter, type or operation we do not know, refused by its name."""


class NotAcceptable(GatewayError):
    """The client takes no answer of a kind that we give."""


class WrongMedia(GatewayError):
    """A body of a kind that is not taken here."""


class TooLarge(GatewayError):
    """A body, a depth or a cost over its bound."""


class Unauthenticated(GatewayError):
    """Nobody we know: no token, or one that does not hold."""


class Forbidden(GatewayError):
    """The caller may not, whoever the patient is. ``code`` is machine-readable (``ptv-required``)."""

    def __init__(self, message: str, code: str = "forbidden"):
        super().__init__(message)
        self.code = code


class NotFound(GatewayError):
    """Not there, or not yours: the two look alike."""


class Gone(NotFound):
    """It was there for this caller and has been deleted."""


class Conflict(GatewayError):
    """The state it would change has moved on."""


class Refused(GatewayError):
    """The operator's command cannot run as asked (exit 2)."""


class Unavailable(GatewayError):
    """The gateway cannot answer now: no audit, no code sets, no database (503)."""

"""Who calls: bearer tokens are verified and the sandbox's tokens are issued here. The only home of ``jose``.

``issuers`` says whose tokens are accepted, ``vouching`` what each may vouch for, ``verify`` checks a token against
them, ``callers`` makes a caller of its claims, ``issue`` signs one, and ``sandbox`` is the issuer that a sandbox store
has of its own.
"""

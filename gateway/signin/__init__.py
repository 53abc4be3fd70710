"""Who calls: bearer tokens are verified and issued here, for people and for systems. The only home of ``jose``.

``issuers`` says whose tokens are accepted, ``openid`` and ``remote_keys`` follow the keys that others publish,
``vouching`` says what each issuer may vouch for, ``compact`` reads a token strictly and ``verify`` checks it,
``callers`` makes a caller of its claims, ``issue`` signs one. ``registration`` keeps the registry of systems,
``client_assertion`` proves which of them asks, and ``token_endpoint`` gives it a token; ``offered`` tells clients so.
``sandbox`` is the issuer that a sandbox store has of its own, and ``launch`` its sign-in for apps.
"""

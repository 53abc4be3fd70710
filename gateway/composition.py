"""The composition root: the only place that opens settings, store, audit, code sets, keys and door, and joins them.

``open_gateway`` opens the store, which is all that most commands need. A ``Gateway`` then opens more when it is asked:
its code sets, its audit, its keys. ``open_service`` opens all that answering requests takes. The imports are inside the
functions, so that a command pays only for what it opens.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from gateway import config, keys
from gateway.errors import Refused
from gateway.fhir.dates import microseconds_now
from gateway.store.database import Clock, Store, open_store

if TYPE_CHECKING:
    from gateway.custody import Custody
    from gateway.identity.pds import Access, Pds
    from gateway.nhs.codesets import CodeSets
    from gateway.nhs.roles import Caller
    from gateway.notify.hooks import Hooks
    from gateway.notify.notifier import Notifier
    from gateway.records import Door
    from gateway.signin.issuers import Issuers
    from gateway.signin.sessions import Sessions
    from gateway.signin.token_endpoint import TokenEndpoint
    from gateway.store.audit import Audit

RESTORE = "restore it from a backup"


WRITE_PATIENCE = 5.0
"""Seconds that a request which writes waits for other writers."""


@dataclass(frozen=True)
class Gateway:
    """Settings and the open store that they name. Used as a context manager, it closes the store at the end."""

    settings: config.Settings
    store: Store

    def code_sets(self) -> CodeSets:
        """Read the code sets in force: ours, and the operator's own."""
        from gateway.terminology import sets

        return sets.load(sandbox=self.store.is_sandbox, own=self.settings.code_sets)

    def require_labelled(self) -> CodeSets:
        """Return the code sets in force, for showing records by them. Raises ``Refused`` where a live store lacks some,
        or where labels were made with others."""
        from gateway import records

        code_sets = self.code_sets()
        records.require_sets(self.store, code_sets)
        return code_sets

    def door(self, audit: Audit) -> Door:
        """Open the door for a command that asks what would be decided. Raises as ``require_labelled``."""
        from gateway import records

        return records.open_door(self.store, self.require_labelled(), audit)

    def audit(self) -> Audit:
        """Open the audit for reading. Raises ``Refused`` when its file is not there: an empty one would verify."""
        self.require_audit_file()
        if self._lacks_audit_file():
            raise Refused("there is no audit yet: this store was never served")
        return self._audit()

    def writing_audit(self) -> Audit:
        """Open the audit for writing, with keys that are created where it never had any. Raises ``Refused`` when its
        file or its key is lost, or another key is in its place."""
        from gateway import custody

        self.require_audit_file()
        if not custody.is_begun(self.settings.keys):
            with closing(self._audit()) as audit:
                if audit.is_keyed():
                    name = keys.AUDIT_CHAIN.name
                    raise Refused(f"keys/{name} is missing, and the audit is sealed under it: {RESTORE}")
                custody.begin(self.settings.keys, audit.heads())
        self.audit_keys().require_key()
        return self._audit()

    def require_audit(self) -> None:
        """Refuse an act whose audit could not be sealed, before it is done. Raises as ``writing_audit`` does."""
        with closing(self.writing_audit()):
            pass

    def seal(self) -> None:
        """Seal the audit, as a command does at its end that changed something. Raises as ``writing_audit`` does."""
        with closing(self.writing_audit()) as audit:
            self.mark_audit()
            audit.seal()

    def audit_keys(self) -> Custody:
        """The keys of the audit. Raises ``Refused`` where it has none yet, or they cannot be read."""
        from gateway import custody

        return custody.opened(self.settings.keys)

    def _audit(self) -> Audit:
        from gateway import custody
        from gateway.store.audit import Audit

        if not custody.is_begun(self.settings.keys):
            return Audit(self.store, self.settings.audit_file)
        own = self.audit_keys()
        return Audit(self.store, self.settings.audit_file, key=own.key, anchor=own)

    def _lacks_audit_file(self) -> bool:
        """Whether the audit is a file, which PostgreSQL's is not, and it is not there."""
        return not self.store.postgres and not self.settings.audit_file.is_file()

    def lost_audit(self) -> str:
        """What is wrong where the file of the audit was there and is lost; "" where it is not."""
        if keys.is_present(self.settings.keys, keys.AUDIT) and self._lacks_audit_file():
            return f"{self.settings.audit_file.name} is missing from the data folder"
        return ""

    def require_data_folder(self) -> None:
        """Raise ``Refused`` where the settings name a folder that does not exist: the database may lie elsewhere, so
        that a wrong folder is not seen by opening the store."""
        if not self.settings.data_dir.is_dir():
            raise Refused(
                "the data folder does not exist: GATEWAY_DATA_DIR names another than the store's, or run `gateway init`"
            )

    def require_audit_file(self) -> None:
        """Raise ``Refused`` when the file of the audit was there and is lost, or the whole data folder: a new one would
        verify, and what was read before would be forgotten without a sign."""
        self.require_data_folder()
        if fault := self.lost_audit():
            raise Refused(
                f"{fault}: {RESTORE}. Where there is none, remove keys/{keys.AUDIT.name} to begin a new audit"
            )

    def mark_audit(self) -> None:
        """Record that the file of the audit is there, so that a later loss of it is seen."""
        if not self.store.postgres:
            keys.read_or_create(self.settings.keys, keys.AUDIT, lambda: str(self.store.namespace).encode())

    def export_root(self) -> bytes:
        """The root of all pseudonym keys, created when a worker or a command of exports first asks for it. Raises
        ``Refused`` when it is lost, or another is in its place: either would silently change every pseudonym."""
        from gateway.nhs import pseudonym
        from gateway.store import ledger

        if not keys.is_present(self.settings.keys, keys.EXPORT_ROOT):
            with self.store.read() as session:
                if ledger.is_begun(session):
                    raise Refused(f"keys/{keys.EXPORT_ROOT.name} is missing, and exports were made with it: {RESTORE}")
        root = keys.read_or_create(self.settings.keys, keys.EXPORT_ROOT, keys.new_export_root)
        with self.store.read() as session:
            if ledger.root_fingerprint(session) not in ("", pseudonym.fingerprint(root)):
                raise Refused(f"keys/{keys.EXPORT_ROOT.name} is not the key that exports were made with: {RESTORE}")
        return root

    def exports(self) -> Path:
        """The folder of the exports that were requested over HTTP."""
        self.settings.exports.mkdir(mode=0o700, exist_ok=True)
        return self.settings.exports

    def hooks(self) -> Hooks | None:
        """Where notifications of subscriptions may go, with the key that signs them, which is created when it is first
        asked for; None where they go nowhere. Raises ``Refused`` when the key is lost: every receiver would refuse what
        another one signs."""
        from gateway.notify.hooks import Hooks
        from gateway.store import subscriptions

        if not self.settings.hooks:
            return None
        if not keys.is_present(self.settings.keys, keys.HOOKS):
            with self.store.read() as session:
                if subscriptions.every(session):
                    raise Refused(f"keys/{keys.HOOKS.name} is missing, and subscriptions are signed with it: {RESTORE}")
        key = keys.read_or_create(self.settings.keys, keys.HOOKS, keys.new_secret)
        return Hooks(key, self.settings.hooks, self.store.is_sandbox)

    @contextmanager
    def notifier(self) -> Iterator[Notifier | None]:
        """Open what sends the notifications of subscriptions; None where they go nowhere. Raises ``Refused`` as
        ``hooks`` and ``writing_audit`` do."""
        from gateway import records
        from gateway.notify.notifier import Notifier

        hooks = self.hooks()
        if hooks is None:
            yield None
            return
        with closing(self.writing_audit()) as audit:
            yield Notifier(records.open_door(self.store, self.require_labelled(), audit), hooks)

    def sandbox_key(self) -> bytes:
        """The private key of the sandbox's issuer. Raises ``Refused`` unless this is a sandbox that is turned on."""
        from gateway.signin.issue import new_key

        if not (self.store.is_sandbox and self.settings.sandbox):
            raise Refused("tokens are issued only by a sandbox store with GATEWAY_SANDBOX=1")
        return keys.read_or_create(self.settings.keys, keys.SANDBOX_ISSUER, new_key)

    def token_key(self) -> bytes:
        """The private key of the token endpoint: the operator's, or in a sandbox that of its issuer; b"" where a live
        store has none, and issues no tokens. Raises ``Refused`` for one that cannot be read or cannot sign."""
        from gateway.signin.issue import algorithm_of

        path, name = self.settings.token_key, "GATEWAY_TOKEN_KEY"
        if path is None:
            return self.sandbox_key() if self.store.is_sandbox else b""
        key = keys.read_file(path, name, 200, "make it anew")
        try:
            algorithm_of(key)
        except Refused as refusal:
            raise Refused(f"{name}: {refusal}") from None
        return key

    def sandbox_token(self, user: str, project: str = "") -> str:
        """A token for one of the sandbox's named users. Raises ``Refused`` outside of a sandbox, and for other
        names."""
        from gateway.signin import sandbox

        return sandbox.token(self.sandbox_key(), user, project, self.store.clock())

    @contextmanager
    def pds(self) -> Iterator[Pds]:
        """Open the client of PDS that the settings describe. Raises ``Refused`` where they describe none, or a part of
        one."""
        from gateway.egress import Origin
        from gateway.identity.pds import Pds

        access = self._pds_access()
        with ExitStack() as opening:
            tokens = None
            if access.token:
                tokens = opening.enter_context(Origin(access.token.rpartition("/")[0]))
            origin = opening.enter_context(Origin(access.base, per_second=access.per_second))
            yield Pds(access, origin, tokens, self.store.clock)

    def _pds_access(self) -> Access:
        """What the file of ``GATEWAY_PDS`` says. A live store signs in: only a sandbox asks a fake without a token."""
        from gateway.identity.pds import Access

        path, name = self.settings.pds, "GATEWAY_PDS"
        facts = config.tables(path, name)
        if path is None or not facts:
            raise Refused(f"{name} is not set: it names the file that says how PDS is asked")
        if unknown := set(facts) - {"base", "token", "client", "kid", "key", "organisation", "per_second"}:
            raise Refused(f"{name}: {len(unknown)} keys are not known")
        words = {key: str(facts.get(key, "")) for key in ("base", "token", "client", "kid", "organisation")}
        signs = [bool(words["token"]), bool(words["client"]), bool(words["kid"]), "key" in facts]
        if any(signs) != all(signs) or not (all(signs) or self.store.is_sandbox):
            raise Refused(f"{name}: token, client, kid and key go together, and a live store needs them")
        rate = facts.get("per_second", 4)
        if not words["base"] or not isinstance(rate, int | float) or not 0 < rate <= 100:
            raise Refused(f"{name}: base or per_second")
        secret = b""
        if all(signs):
            secret = keys.read_file(path.parent / str(facts["key"]), f"{name}: key", 1000, "make it anew")
        return Access(**words, key=secret, per_second=float(rate))

    def close(self) -> None:
        self.store.close()

    def __enter__(self) -> Gateway:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class Service:
    """A gateway that answers requests: its door, the issuers whose callers it knows, its own token endpoint, the
    sessions of its pages, and where notifications go. Used as a context manager, it closes the audit at the end; the
    gateway stays open."""

    gateway: Gateway
    door: Door
    issuers: Issuers[Caller]
    tokens: TokenEndpoint
    sessions: Sessions
    hooks: Hooks | None = None

    def close(self) -> None:
        self.door.audit.close()

    def __enter__(self) -> Service:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_gateway(settings: config.Settings, clock: Clock = microseconds_now) -> Gateway:
    """Open the store that the settings name. Raises ``Refused`` where there is none, and where its folder is open to
    others and cannot be closed."""
    config.close_folders(settings)
    return Gateway(settings, open_store(settings.url, clock=clock))


def create_gateway(
    settings: config.Settings, mode: str, *, namespace: uuid.UUID | None = None, clock: Clock = microseconds_now
) -> Gateway:
    """Open the store that the settings name and create what is missing: the data folder, a store of this mode
    (``sandbox`` or ``live``), the file of its audit and the file of its namespace. A store whose database was lost is
    created in the namespace that its file holds, so that it makes the same ids again.

    Raises ``Refused`` where there is a store of the other mode or of another namespace, and where the file of its audit
    is lost.
    """
    saved = _saved_namespace(settings)
    if saved and namespace and namespace != saved:
        raise Refused(f"--namespace is not the one in keys/{keys.NAMESPACE.name}: nothing was created")
    config.prepare_data_dir(settings)
    gateway = Gateway(settings, open_store(settings.url, create=mode, namespace=namespace or saved, clock=clock))
    with ExitStack() as opening:
        opening.callback(gateway.close)
        own = str(gateway.store.namespace).encode()
        if keys.read_or_create(settings.keys, keys.NAMESPACE, lambda: own) != own:
            raise Refused(f"keys/{keys.NAMESPACE.name} belongs to another store")
        gateway.seal()
        opening.pop_all()
    return gateway


def _saved_namespace(settings: config.Settings) -> uuid.UUID | None:
    """The namespace of the store that this data folder is of; None in a new folder."""
    if not keys.is_present(settings.keys, keys.NAMESPACE):
        return None
    try:
        return uuid.UUID(keys.read(settings.keys, keys.NAMESPACE).decode().strip())
    except ValueError:
        raise Refused(f"keys/{keys.NAMESPACE.name} does not hold a UUID") from None


def open_service(gateway: Gateway) -> Service:
    """Open what answering requests takes. Raises ``Refused`` when the gateway may not serve: the sandbox's issuer needs
    both a sandbox store and ``GATEWAY_SANDBOX=1``, a live store needs its code sets, labels must be of the sets in
    force, the file of the audit must not be lost, and nobody signs in to a live store over a plain connection."""
    from gateway import records
    from gateway.signin.sessions import Sessions
    from gateway.signin.token_endpoint import TokenEndpoint

    if gateway.store.is_sandbox != gateway.settings.sandbox:
        raise Refused("a sandbox store and GATEWAY_SANDBOX=1 go together; either alone does not serve")
    gateway.require_data_folder()
    config.tables(gateway.settings.feeds, "GATEWAY_FEEDS")  # `load` would refuse it, and only then
    gateway.store.patience = WRITE_PATIENCE
    code_sets, token_key = gateway.require_labelled(), gateway.token_key()
    issuers, hooks = _issuers(gateway, token_key), gateway.hooks()
    has_pages = any(issuer.pages for issuer in issuers.by_name.values())
    if has_pages and not gateway.store.is_sandbox and not gateway.settings.base_url.startswith("https:"):
        raise Refused("GATEWAY_BASE_URL must be https://… where people sign in: else the cookie is not kept to TLS")
    door = records.open_door(gateway.store, code_sets, gateway.writing_audit())
    gateway.mark_audit()
    settings = gateway.settings
    sessions = Sessions(gateway.store, issuers.by_name.values(), settings.session_idle, settings.session_longest)
    return Service(gateway, door, issuers, TokenEndpoint(gateway.store, token_key), sessions, hooks)


def _issuers(gateway: Gateway, token_key: bytes) -> Issuers[Caller]:
    """Return the accepted token issuers: the configured OpenID issuers, the token endpoint, and the sandbox's own in a
    sandbox."""
    from gateway.signin import callers, issuers, sandbox, token_endpoint

    path = gateway.settings.issuers
    accepted = issuers.from_tables(config.tables(path, "GATEWAY_ISSUERS"), path.parent if path else Path())
    if gateway.store.is_sandbox:
        accepted.append(sandbox.issuer(gateway.sandbox_key()))
    if token_key:
        accepted.append(token_endpoint.issuer(gateway.store, token_key))
    if not accepted:
        raise Refused("GATEWAY_ISSUERS names no issuer, and GATEWAY_TOKEN_KEY no key of our own")
    return callers.known(accepted)

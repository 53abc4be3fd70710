"""The operator's verbs. Each parses its words, calls one function and says how it went: 0 clean, 1 finished with
rejects, 2 could not run."""

from __future__ import annotations

import argparse
import importlib.util
import json
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from gateway import __version__, config, console, log, memory
from gateway.errors import GatewayError, Refused

OK, WITH_REJECTS, COULD_NOT = 0, 1, 2


def main(argv: list[str] | None = None) -> int:
    """Run one verb; return the exit code. A failure of ours is one line on standard error, without a trace and without
    a value."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if not hasattr(arguments, "run"):
        parser.print_help()
        return COULD_NOT
    try:
        _check_packages()
        settings = config.read()
        log.configure(settings.log_level)
        return arguments.run(arguments, settings)
    except GatewayError as error:
        print(f"gateway {arguments.verb}: {error}", file=sys.stderr)
        return COULD_NOT
    except KeyboardInterrupt:
        print(
            f"gateway {arguments.verb}: interrupted; nothing is half-written, and running it again is safe",
            file=sys.stderr,
        )
        return COULD_NOT
    except BrokenPipeError:
        return OK
    # the place, never the value: a message of Python's own may hold one, and its exit code 1 would say "rejects"
    except Exception as bug:
        log.bug(bug)
        print(f"gateway {arguments.verb}: a bug ({type(bug).__name__}), logged by its places", file=sys.stderr)
        return COULD_NOT


def _check_packages() -> None:
    """Refuse to run beside another project's package of one of our three names, of which there are some."""
    for name in ("mappings", "terminology"):
        found = importlib.util.find_spec(name)
        if found is None or Path(found.origin or "").resolve().parents[1] != Path(__file__).resolve().parents[1]:
            raise Refused(
                f"the package {name} is another project's: install the gateway into an environment of its own"
            )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gateway",
        description="NHS record gateway",
        epilog="Exit codes: 0 clean, 1 finished with rejects, 2 could not run.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")

    init = _verb(verbs, "init", _init, "make a store, sandbox or live")
    init.add_argument("mode", choices=("sandbox", "live"))
    init.add_argument("--namespace", type=Path, help="file with the id namespace of a store being rebuilt")
    init.add_argument(
        "--publisher",
        action="append",
        default=[],
        metavar="SOURCE:CODE",
        help="a publisher whose deliveries a live store takes",
    )

    load = _verb(verbs, "load", _load, "take a delivery of a source in")
    load.add_argument("source")
    load.add_argument("path", type=Path)
    load.add_argument("--feed", default="default", help="the feed's table in GATEWAY_FEEDS")
    load.add_argument("--strict", action="store_true", help="exit 1 also when UK Core's constraints are broken")
    load.add_argument("--workers", type=int, help="processes that map (default: one a core, at most eight)")
    load.add_argument("--json", action="store_true", help="print the report as JSON")

    remap = _verb(verbs, "remap", _remap, "map everything a source sent again")
    remap.add_argument("source")
    remap.add_argument("--feed", default="default", help="the feed's table in GATEWAY_FEEDS")
    remap.add_argument("--json", action="store_true")

    quarantine = _verb(verbs, "quarantine", _quarantine, "list what could not be mapped, or map it again")
    quarantine.add_argument("act", choices=("list", "replay"))
    quarantine.add_argument("source", nargs="?")
    quarantine.add_argument("--feed", default="default", help="the feed's table in GATEWAY_FEEDS")
    quarantine.add_argument("--json", action="store_true")

    validate = _verb(
        verbs, "validate", _validate, "check resources against R4 and UK Core's constraints, one JSON line each"
    )
    validate.add_argument("files", nargs="+", metavar="FILE|-")

    serve = _verb(verbs, "serve", _serve, "serve the FHIR API")
    serve.add_argument("--host", default=config.HOST)
    serve.add_argument("--port", type=int, default=config.PORT)
    serve.add_argument(
        "--no-work",
        action="store_true",
        help="start no worker for exports asked for over HTTP: `gateway work` runs elsewhere",
    )

    work = _verb(verbs, "work", _work, "run the exports that were asked for over HTTP")
    work.add_argument("--once", action="store_true", help="end when nothing waits")
    work.add_argument("--with-parent", action="store_true", help=argparse.SUPPRESS)

    token = _verb(verbs, "token", _token, "a token of the sandbox for one of its named users")
    token.add_argument("--user", required=True)
    token.add_argument("--project", default="", help="the project a system client is bound to")
    token.add_argument("--json", action="store_true")

    project = _verb(verbs, "project", _project, "projects: approved uses of de-identified data")
    acts = project.add_subparsers(dest="act", required=True)
    add = acts.add_parser("add")
    add.add_argument("file", type=Path)
    add.add_argument("--as", dest="by", default="operator", metavar="NAME")
    approve = acts.add_parser("approve")
    approve.add_argument("project")
    approve.add_argument("--as", dest="by", required=True, metavar="NAME")
    for name in ("suspend", "resume", "expire"):
        other = acts.add_parser(name)
        other.add_argument("project")
        other.add_argument("--as", dest="by", required=True, metavar="NAME")
    acts.add_parser("list").add_argument("--json", action="store_true")

    optout = _verb(verbs, "optout", _optout, "the national data opt-out list")
    lists = optout.add_subparsers(dest="act", required=True)
    put = lists.add_parser("load")
    put.add_argument("file", type=Path)
    lists.add_parser("status")

    export = _verb(verbs, "export", _export, "pseudonymised exports")
    runs = export.add_subparsers(dest="act", required=True)
    run = runs.add_parser("run")
    run.add_argument("--project", required=True)
    run.add_argument("--out", type=Path, required=True)
    run.add_argument("--workers", type=int)
    run.add_argument("--json", action="store_true")
    resume = runs.add_parser("resume")
    resume.add_argument("job")
    resume.add_argument("--out", type=Path, required=True)
    resume.add_argument("--workers", type=int)
    resume.add_argument("--json", action="store_true")

    audit = _verb(verbs, "audit", _audit, "the audit")
    audit.add_argument("act", choices=("show", "verify", "seal"))
    audit.add_argument("--limit", type=int)

    demo = _verb(verbs, "demo", _demo, "the main job, shown with synthetic people in a new sandbox store")
    demo.add_argument("--people", type=int, default=200)
    demo.add_argument("--seed", type=int, default=1)
    demo.add_argument("--out", type=Path, help="a new or empty folder (default: a fresh one)")
    demo.add_argument("--no-serve", action="store_true", help="end when shown instead of serving")
    return parser


def _verb(verbs, name: str, run, text: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, description=text)
    parser.set_defaults(run=run)
    return parser


def _open(settings: config.Settings):
    from gateway.store.database import open_store

    return open_store(settings.url)


def _open_labelled(settings: config.Settings):
    """The store, for who reads it for others: with its code sets, and its labels made by them."""
    from gateway import records

    store = _open(settings)
    records.require_sets(store, _sets(settings, store))
    return store


def _sets(settings: config.Settings, store):
    from gateway.terminology import sets

    return sets.load(sandbox=store.is_sandbox, own=settings.code_sets)


def _source(name: str):
    from mappings import sources

    found = sources().get(name)
    if found is None:
        raise Refused(f"no source of that name; there are {', '.join(sorted(sources()))}")
    return found


def _feed(settings: config.Settings, name: str):
    from mappings import Feed

    table = config.feed(settings, name)
    known = {key: table.pop(key) for key in config.FEED if key in table}
    return Feed(name=name, settings=table, **known)


def _init(arguments, settings: config.Settings) -> int:
    from gateway.store import registry
    from gateway.store.database import open_store

    config.prepare_data_dir(settings)
    namespace = None
    if arguments.namespace:
        try:
            namespace = uuid.UUID(arguments.namespace.read_text().strip())
        except (OSError, ValueError):
            raise Refused("--namespace: the file does not hold a UUID") from None
    store = open_store(settings.url, create=arguments.mode, namespace=namespace)
    kept = config.key_file(settings, "namespace", lambda: str(store.namespace).encode())
    if kept.decode() != str(store.namespace):
        raise Refused("keys/namespace belongs to another store")
    with store.write() as session:
        for name in arguments.publisher:
            source, _, code = name.partition(":")
            registry.ensure_publisher(session, source, code, _source(source).kind)
    print(f"a {store.mode} store")
    return OK


def _report(report, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report.as_dict()))
    else:
        console.load_report(report.as_dict())


def _load(arguments, settings: config.Settings) -> int:
    from gateway.intake import load

    source = _source(arguments.source)
    if not arguments.path.exists():
        raise Refused("no such file or folder")
    store = _open(settings)
    with console.progress(source.name) as progress:
        report = load.load(
            store,
            source,
            arguments.path,
            _feed(settings, arguments.feed),
            _sets(settings, store),
            workers=arguments.workers,
            progress=progress,
        )
    _report(report, arguments.json)
    return WITH_REJECTS if report.rejects or (arguments.strict and report.uk_core) else OK


def _remap(arguments, settings: config.Settings) -> int:
    from gateway.intake import load

    source, store = _source(arguments.source), _open(settings)
    with console.progress(source.name, "groups") as progress:
        report = load.remap(store, source, _feed(settings, arguments.feed), _sets(settings, store), progress=progress)
    _report(report, arguments.json)
    return report.exit_code


def _quarantine(arguments, settings: config.Settings) -> int:
    from gateway.intake import load
    from gateway.store import deliveries

    store = _open(settings)
    if arguments.act == "replay":
        report = load.replay(
            store, _source(arguments.source or ""), _feed(settings, arguments.feed), _sets(settings, store)
        )
        _report(report, arguments.json)
        return report.exit_code
    with store.read() as session:
        waiting = deliveries.in_quarantine(session, arguments.source)
    for source, delivery, place, reason in waiting:
        print(
            json.dumps({"source": source, "delivery": delivery, "place": place, "reason": reason})
            if arguments.json
            else f"{source}: {place}"
        )
    return WITH_REJECTS if waiting else OK


def _validate(arguments, settings: config.Settings) -> int:
    from gateway.fhir import files
    from gateway.nhs import ukcore

    all_valid = True
    for result in files.validate_lines(arguments.files, sys.stdin.buffer, ukcore.check_claimed):
        all_valid &= result["valid"]
        print(json.dumps(result), flush=True)
    return OK if all_valid else WITH_REJECTS


def _serve(arguments, settings: config.Settings) -> int:
    from gateway.api.app import create_app
    from gateway.api.server import serve

    app = create_app(settings.at(arguments.host, arguments.port))
    log.event("serving", port=arguments.port, mode=app.state.door.store.mode)
    memory.collect_seldom()
    with app.state.door.audit.sealing(), nullcontext() if arguments.no_work else _worker():
        serve(app, arguments.host, arguments.port)
    return OK


@contextmanager
def _worker() -> Iterator[None]:
    """A worker beside the server; it ends when this process does, however that happens: its standard input closes."""
    child = subprocess.Popen([sys.executable, "-m", "gateway", "work", "--with-parent"], stdin=subprocess.PIPE)
    try:
        yield
    finally:
        child.stdin.close()
        child.wait()


def _work(arguments, settings: config.Settings) -> int:
    from gateway.export import asking, worker

    store, stop = _open_labelled(settings), threading.Event()
    root, folder = config.key_file(settings, "export-root.key", asking.new_root_key), settings.data_dir / "exports"
    folder.mkdir(mode=0o700, exist_ok=True)
    if arguments.once:
        while worker.work_once(store, folder, root):
            pass
        return OK
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if arguments.with_parent:
        threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    worker.work(store, folder, root, stop)
    return OK


def _token(arguments, settings: config.Settings) -> int:
    from gateway.api.sandbox import issue

    token = issue(settings, _open(settings), arguments.user, arguments.project)
    print(json.dumps({"access_token": token, "token_type": "Bearer"}) if arguments.json else token)
    return OK


def _project(arguments, settings: config.Settings) -> int:
    from gateway.export import approval

    store = _open(settings)
    match arguments.act:
        case "add":
            print(f"{approval.add(store, approval.read_file(arguments.file), arguments.by)}: draft")
        case "approve":
            print(f"{arguments.project}: {approval.approve(store, arguments.project, arguments.by)}")
        case "list":
            for name, version, state in approval.all_projects(store):
                as_json = json.dumps({"project": name, "version": version, "state": state})
                print(as_json if arguments.json else f"{name}\tversion {version}\t{state}")
        case act:
            state = {"suspend": "suspended", "resume": "active", "expire": "expired"}[act]
            approval.change(store, arguments.project, state, arguments.by)
            print(f"{arguments.project}: {state}")
    return OK


def _optout(arguments, settings: config.Settings) -> int:
    from gateway.export import national_list

    store = _open(settings)
    found = national_list.load(store, arguments.file) if arguments.act == "load" else national_list.status(store)
    print(json.dumps(found))
    return OK


def _export(arguments, settings: config.Settings) -> int:
    from gateway.export import asking, folder, running, standing

    store = _open_labelled(settings)
    root = config.key_file(settings, "export-root.key", asking.new_root_key)
    with console.progress("export", "parts") as progress:
        if arguments.act == "run":
            folder.require_free(arguments.out)
            days = settings.optout_days
            job = asking.start(store, arguments.project, "operator", optout_days=days, kind=standing.BY_HAND)
        else:
            job = arguments.job
        manifest = running.run(store, job, arguments.out, root, workers=arguments.workers, progress=progress)
    if arguments.json:
        print(json.dumps(manifest))
    else:
        console.export_report(manifest, arguments.out)
    return OK


def _audit(arguments, settings: config.Settings) -> int:
    from gateway.store import ledger
    from gateway.store.audit import Audit

    store = _open(settings)
    audit = Audit(store)
    if arguments.act == "show":
        for event in audit.events(limit=arguments.limit):
            print(json.dumps(event))
        return OK
    if arguments.act == "seal":
        audit.seal()
    verdict = audit.verify()
    with store.read() as session:
        broken = [*verdict.broken, *([] if ledger.is_whole(session) else ["ledger of releases"])]
    print(json.dumps({"rows": verdict.rows, "sealed": verdict.sealed, "broken": broken}))
    return WITH_REJECTS if broken else OK


def _demo(arguments, settings: config.Settings) -> int:
    from gateway import demo

    return demo.run(people=arguments.people, seed=arguments.seed, out=arguments.out, serve=not arguments.no_serve)

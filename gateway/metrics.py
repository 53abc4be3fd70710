"""What an alarm can use: counts of the requests of this server, and how the store stands, as Prometheus reads them.

No label holds an id, a number, a user or an address. Each server has counts of its own, which its processes add up
(``shared_counts``); what is read from the store is the same at each server. Source:
https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    exposition,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway import __version__, log, shared_counts
from gateway.errors import Unavailable
from gateway.store import inbox, vitals, watched
from gateway.store.audit import Audit
from gateway.store.database import Store

CONTENT_TYPE = exposition.CONTENT_TYPE_PLAIN_0_0_4
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Seconds."""

COUNTED = {
    "gateway_http_requests_total": (("route", "method", "status"), "answers, by the route's template"),
    "gateway_http_request_seconds": (("route", "status"), "histogram of the time to answer, by template and class (`2xx`)"),
    "gateway_http_in_flight": ((), "requests that are being answered, this scrape among them"),
    "gateway_refusals_total": (("code",), "failures that were answered, by the code in `issue.details` or `issue.code`"),
    "gateway_connections_refused_total": (("status",), "connections refused before a request reached a route: 400 not HTTP, 408 too slow or closed to make room, 414 and 431 too large, 429 and 503 too many"),
    "gateway_workers": ((), "processes of the server that answer requests"),
    "gateway_build_info": (("version",), "1, with the version"),
}  # fmt: skip
"""THE TABLE of what a server counts: labels, meaning."""
STANDING = {
    "gateway_store_up": ((), "1 where the database and the audit could be read; where 0, all that is read from them is absent"),
    "gateway_delivery_age_seconds": (("source",), "time since rows of the source last came"),
    "gateway_quarantined_groups": (("source",), "groups of rows in quarantine (100,000 at most are counted)"),
    "gateway_rejects_kept": ((), "rejects that are kept (100,000 at most)"),
    "gateway_feed_waiting": (("feed",), "messages that a listener acknowledged and that are not mapped yet"),
    "gateway_feed_oldest_waiting_seconds": (("feed",), "age of the oldest of them; 0 where none waits"),
    "gateway_feed_messages_total": (("feed", "what"), "messages `received`, `kept`, `mapped`, sent again (`duplicates`), acknowledged by code (`AA` …) and by what became of them"),
    "gateway_watch_waiting": (("feed",), "deliveries that are whole in a watched folder and are not loaded"),
    "gateway_watch_incomplete": (("feed",), "deliveries there that have not come whole"),
    "gateway_watch_refused": (("feed",), "deliveries that were refused and lie in `failed`"),
    "gateway_watch_gaps": (("feed",), "gaps between deliveries that nothing has filled"),
    "gateway_watch_age_seconds": (("feed",), "time since a delivery was loaded, or since the folder is watched"),
    "gateway_watch_look_age_seconds": (("feed",), "time since the folder could be looked at"),
    "gateway_watch_behind": (("feed",), "1 where `gateway feeds` names something to look at, else 0"),
    "gateway_watch_deliveries_total": (("feed", "what"), "deliveries `loaded`, loaded `with rejects`, sent `again`, `refused`, and `retries` after an outage"),
    "gateway_jobs": (("state",), "jobs in each state"),
    "gateway_job_oldest_waiting_seconds": ((), "age of the oldest job that no worker has taken; 0 where none waits"),
    "gateway_subscriptions": (("state",), "subscriptions of clients in each state; one in `error` was given up"),
    "gateway_notices_waiting": ((), "changes that wait to be told to subscribers (100,000 at most are counted)"),
    "gateway_export_releases": ((), "releases in the ledger"),
    "gateway_export_release_age_seconds": ((), "time since the last release; absent before the first"),
    "gateway_audit_unsealed_rows": (("stream",), "audit rows under no seal (100,000 at most are counted)"),
    "gateway_audit_unsealed_seconds": (("stream",), "age of the oldest of them; 0 where there is none"),
    "gateway_audit_seal_age_seconds": ((), "time since this server last sealed the audit without a failure, or began to"),
    "gateway_audit_failures_total": (("act",), "failures to `record` a read (it was not answered), to `seal`, or to find what was sealed (`broken`)"),
    "gateway_disk_free_bytes": ((), "free bytes of the disk of the data folder"),
    "gateway_disk_size_bytes": ((), "size of that disk"),
}  # fmt: skip
"""THE TABLE of what is looked up at each scrape: labels, meaning."""
PROCESS = {
    "process_cpu_seconds_total": ((), "processor time of the process; with `--workers`, of each by its label `pid`, as the rows below"),
    "process_max_fds": ((), "the limit on open file descriptors"),
    "process_open_fds": ((), "open file descriptors"),
    "process_resident_memory_bytes": ((), "memory in use"),
    "process_start_time_seconds": ((), "when the process began, in seconds since 1970"),
    "process_virtual_memory_bytes": ((), "address space in use"),
}  # fmt: skip
"""THE TABLE of what the library tells of the process."""
# The library would tell when each count began, as a metric of its own.
disable_created_metrics()  # type: ignore[no-untyped-call]
TABLE = {**COUNTED, **STANDING, **PROCESS}


SEALED = "gateway_audit_sealed"
"""When the audit was last sealed (µs UTC), by the process that does: what is told is its age."""


class Metrics:
    """The metrics of one server. What it counts starts at 0 when the server does.

    ``shared`` is the folder of the counts of a server of several processes, each of which has a ``Metrics``.
    """

    def __init__(
        self, store: Store, audit: Audit, folder: Path, inbox_file: Path, watch_file: Path, shared: Path | None = None
    ) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(*self._row("gateway_http_requests_total"), registry=None)
        self._seconds = Histogram(*self._row("gateway_http_request_seconds"), buckets=BUCKETS, registry=None)
        self._in_flight = Gauge(*self._row("gateway_http_in_flight"), registry=None, multiprocess_mode="livesum")
        self._refusals = Counter(*self._row("gateway_refusals_total"), registry=None)
        self._connections = Counter(*self._row("gateway_connections_refused_total"), registry=None)
        workers = Gauge(*self._row("gateway_workers"), registry=None, multiprocess_mode="livesum")
        workers.set(1)
        if shared:
            tell_of(audit)
            self._registry.register(_Shared(store, shared))
        else:
            for metric in (
                self._requests, self._seconds, self._in_flight, self._refusals, self._connections, workers,
            ):  # fmt: skip
                self._registry.register(metric)
            ProcessCollector(registry=self._registry)
        Info("gateway_build", COUNTED["gateway_build_info"][1], registry=self._registry).info({"version": __version__})
        own = None if shared else audit
        self._registry.register(_Standing(store, audit, own, folder, inbox_file, watch_file))

    @staticmethod
    def _row(name: str) -> tuple[str, str, tuple[str, ...]]:
        """A row of ``COUNTED``, as the library's metrics take it."""
        labels, text = COUNTED[name]
        return name, text, labels

    def begin(self) -> None:
        """A request came."""
        self._in_flight.inc()

    def end(self) -> None:
        """A request is over, whatever came of it."""
        self._in_flight.dec()

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request to a route, by its template, was answered."""
        self._requests.labels(route, method, status).inc()
        self._seconds.labels(route, f"{status // 100}xx").observe(seconds)

    def refused(self, code: str) -> None:
        """A failure was answered with a code of our tables."""
        self._refusals.labels(code).inc()

    def connection_refused(self, status: int) -> None:
        """A connection was refused with a status."""
        self._connections.labels(status).inc()

    def text(self) -> bytes:
        """All of it in Prometheus' text format. It never raises for an outage."""
        return exposition.generate_latest(self._registry)


def tell_of(audit: Audit) -> None:
    """Have what this process does with the audit told by each process of its server: one of them seals."""
    labels, text = STANDING["gateway_audit_failures_total"]
    failures = Counter("gateway_audit_failures_total", text, labels, registry=None)
    sealed = Gauge(SEALED, "when it was sealed", registry=None, multiprocess_mode="max")

    def watch(act: str) -> None:
        if act == "sealed":
            sealed.set(audit.sealed)
        else:
            failures.labels(act).inc()

    for act in audit.failures:
        failures.labels(act)
    audit.watch = watch


class _Shared(Collector):
    """What all processes of this server counted, and what the system tells of each."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store, self._folder = store, folder

    def describe(self) -> Iterable[Metric]:
        """Nothing: the library would add everything up to learn the names."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The rows of ``COUNTED`` and ``PROCESS``, and of ``STANDING`` what the processes do with the audit. They are
        left out while a file of a process that was killed cannot be read: it is soon forgotten."""
        try:
            counted = shared_counts.added(self._folder)
        except Exception as error:  # the library reads what it takes for whole
            log.bug(error)
            return
        for metric in counted:
            if metric.name != SEALED:
                yield metric
            elif sealed := int(metric.samples[0].value):
                yield _gauge("gateway_audit_seal_age_seconds", _seconds(self._store.clock() - sealed))
        yield from shared_counts.processes(self._folder)


class _Standing(Collector):
    """What is looked up when somebody asks. ``own`` is the audit that this process alone seals, if it does."""

    def __init__(
        self, store: Store, audit: Audit, own: Audit | None, folder: Path, inbox_file: Path, watch_file: Path
    ) -> None:
        self._store, self._audit, self._own, self._folder = store, audit, own, folder
        self._inbox, self._watched = inbox_file, watch_file

    def describe(self) -> Iterable[Metric]:
        """Nothing: the library would look everything up to learn the names."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The rows of ``STANDING``; those that cannot be looked up are absent."""
        try:
            read = vitals.read(self._store, self._audit)
        except Exception as error:  # a scrape tells of an outage; it is never one itself
            if not isinstance(error, Unavailable):
                log.bug(error)
            yield _gauge("gateway_store_up", 0)
        else:
            yield _gauge("gateway_store_up", 1)
            yield from _of_store(read)
        yield from self._of_audit()
        yield from self._of_feeds()
        yield from self._of_watched()
        yield from self._of_disk()

    def _of_audit(self) -> Iterable[Metric]:
        if self._own is None:
            return
        if self._own.sealed:
            yield _gauge("gateway_audit_seal_age_seconds", _seconds(self._store.clock() - self._own.sealed))
        failures = self._own.failures.items()
        yield _counters("gateway_audit_failures_total", {(act,): count for act, count in sorted(failures)})

    def _of_feeds(self) -> Iterable[Metric]:
        """How the feeds stand that listen with this data folder; absent where that cannot be read."""
        try:
            feeds = inbox.standings(self._inbox)
        except Unavailable:
            return
        now = self._store.clock()
        ages = {name: _seconds(now - feed.oldest) if feed.waiting else 0 for name, feed in feeds.items()}
        yield _gauges("gateway_feed_waiting", {name: feed.waiting for name, feed in feeds.items()})
        yield _gauges("gateway_feed_oldest_waiting_seconds", ages)
        yield _counters("gateway_feed_messages_total", _by_feed(feeds))

    def _of_watched(self) -> Iterable[Metric]:
        """How the folders stand that are watched with this data folder; absent where that cannot be read."""
        try:
            feeds = watched.standings(self._watched)
        except Unavailable:
            return
        now = self._store.clock()
        yield _gauges("gateway_watch_waiting", {name: feed.waiting for name, feed in feeds.items()})
        yield _gauges("gateway_watch_incomplete", {name: feed.incomplete for name, feed in feeds.items()})
        yield _gauges("gateway_watch_refused", {name: feed.refused for name, feed in feeds.items()})
        yield _gauges("gateway_watch_gaps", {name: len(feed.gaps) for name, feed in feeds.items()})
        ages = {name: _seconds(now - max(feed.loaded, feed.began)) for name, feed in feeds.items()}
        yield _gauges("gateway_watch_age_seconds", ages)
        looks = {name: _seconds(now - max(feed.looked, feed.began)) for name, feed in feeds.items()}
        yield _gauges("gateway_watch_look_age_seconds", looks)
        yield _gauges("gateway_watch_behind", {name: int(bool(feed.faults(now))) for name, feed in feeds.items()})
        yield _counters("gateway_watch_deliveries_total", _by_feed(feeds))

    def _of_disk(self) -> Iterable[Metric]:
        try:
            disk = shutil.disk_usage(self._folder)
        except OSError:
            return
        yield _gauge("gateway_disk_free_bytes", disk.free)
        yield _gauge("gateway_disk_size_bytes", disk.total)


def _of_store(read: vitals.Vitals) -> Iterable[Metric]:
    ages = {source: _seconds(read.now - at) for source, at in read.received.items()}
    yield _gauges("gateway_delivery_age_seconds", ages)
    yield _gauges("gateway_quarantined_groups", read.quarantined)
    yield _gauge("gateway_rejects_kept", read.rejected)
    yield _gauges("gateway_jobs", read.jobs)
    yield _gauge("gateway_job_oldest_waiting_seconds", _seconds(read.now - read.waiting) if read.waiting else 0)
    yield _gauges("gateway_subscriptions", read.subscriptions)
    yield _gauge("gateway_notices_waiting", read.noticed)
    yield _gauge("gateway_export_releases", read.releases)
    if read.released:
        yield _gauge("gateway_export_release_age_seconds", _seconds(read.now - read.released))
    yield _gauges("gateway_audit_unsealed_rows", {stream: rows for stream, (rows, _) in read.unsealed.items()})
    waits = {stream: _seconds(read.now - at) if at else 0 for stream, (_, at) in read.unsealed.items()}
    yield _gauges("gateway_audit_unsealed_seconds", waits)


def _gauge(name: str, value: float) -> Metric:
    return GaugeMetricFamily(name, STANDING[name][1], value=value)


def _gauges(name: str, values: dict[str, float] | dict[str, int]) -> Metric:
    """One value for each value of the metric's label."""
    labels, text = STANDING[name]
    family = GaugeMetricFamily(name, text, labels=labels)
    for label, value in sorted(values.items()):
        family.add_metric([label], value)
    return family


def _counters(name: str, values: Mapping[tuple[str, ...], int]) -> Metric:
    """One count for each value of the metric's labels, in the order given. The library adds ``_total``."""
    labels, text = STANDING[name]
    family = CounterMetricFamily(name.removesuffix("_total"), text, labels=labels)
    for key, count in values.items():
        family.add_metric(key, count)
    return family


def _by_feed(feeds: Mapping[str, inbox.Standing] | Mapping[str, watched.Standing]) -> dict[tuple[str, ...], int]:
    """What the feeds counted, by feed and by what it is."""
    return {(name, what): count for name, feed in feeds.items() for what, count in sorted(feed.counts.items())}


def _seconds(microseconds: int) -> float:
    """A time in seconds. A clock that was set back gives 0, never a negative age."""
    return max(microseconds, 0) / 1e6

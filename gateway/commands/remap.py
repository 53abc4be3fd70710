"""``gateway remap``: map again everything that a source sent."""

from __future__ import annotations

from gateway.commands._deliveries import print_report, source_named
from gateway.commands._options import AsJson, FeedName, SourceName
from gateway.commands._start import acting, start
from gateway.errors import Refused


def remap(source: SourceName, feed: FeedName = "default", as_json: AsJson = False) -> int:
    """Map again everything that a source sent, after a mapping or a code set has changed."""
    settings = start()
    format_ = source_named(source)
    from gateway import console, feeds
    from gateway.intake import load as intake

    names = feeds.names(settings)
    if format_.is_keyed_by_feed and names and feed not in names:
        raise Refused("--feed: name the feed whose rows are read again")
    with acting(settings) as gateway, console.progress(source, "groups") as progress:
        report = intake.remap(
            gateway.store,
            format_,
            feeds.read(settings, feed),
            gateway.code_sets(),
            claims=len(names) <= 1,
            progress=progress,
        )
    print_report(report, as_json)
    return report.exit_code


VERB = remap

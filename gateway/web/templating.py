"""The templates of the pages: every value is escaped, and a missing one is an error."""

from __future__ import annotations

from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from gateway.steering import isolated


def shown(value: object) -> object:
    """A value as it goes into the page: what others wrote cannot turn the text after it."""
    return isolated(value) if type(value) is str else value


def environment() -> Environment:
    """A new environment of our templates, to which a page may add filters and tests."""
    templates = Environment(
        loader=PackageLoader("gateway.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.finalize = shown
    return templates


def rendered(template: str, **values: object) -> str:
    """A page that needs no filters or tests of its own, as HTML."""
    return _plain().get_template(template).render(**values)


@lru_cache(maxsize=1)
def _plain() -> Environment:
    return environment()

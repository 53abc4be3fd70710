"""Readers of the forms that sources send: one module a format, each streaming and bounded. Nothing clinical."""

"""Synthetic people and places, and writers in each source's own format."""

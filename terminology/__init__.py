"""Data only: code sets and maps, each with origin, release and licence in README.md."""

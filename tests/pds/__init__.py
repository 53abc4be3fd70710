"""A local stand-in for PDS: for tests, and for testers (``python -m tests.pds``)."""

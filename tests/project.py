"""The document of a project that any test of the commands may add and approve."""

PROJECT = """
name = "study"
purpose = "A test"
lawful_basis = "UK GDPR 6(1)(e)"
common_law_basis = "s251"
controller = "joint"
recipient = "8A999"
people = ["researcher"]
setting = "in-sde"
profile = "sde-research"
disclosure = "hes"
key_version = 1
k = 1
start = "2026-01-01"
end = "2099-12-31"
contributors = [{ ods = "A99001", agreement = "DSA-1", from = "2026-01-01", to = "2099-12-31" }]
"""

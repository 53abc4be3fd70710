"""Benchmarks: each prints what was measured beside its limit, as ratios of one run on one machine. Not tests; nothing here is timed by pytest."""

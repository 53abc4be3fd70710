"""Benchmarks: each prints what was measured beside its limit, as ratios of one run on one machine. Not tests; nothing
here is timed by pytest.

``python -m tests.bench [--quick] [name…]`` runs those named (all without a name) and prints one table. A benchmark is
a module ``bench_<name>`` with ``measure(room)``, which yields ``table.Line``.
"""

"""Fuzz targets: what reads bytes from outside raises its declared errors and nothing else, and never hangs.

A target is a module ``fuzz_<name>`` with ``SEEDS`` (a function that returns inputs to begin with, from the samples),
``MODULES`` (what is instrumented) and ``target(data)``, which lets any error out that is not declared. Inputs that
once were faults are in ``FAULTS`` and run with the ordinary tests. ``python -m tests.fuzz`` runs them all.
"""

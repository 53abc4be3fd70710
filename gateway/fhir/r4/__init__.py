"""R4 (4.0.1) as a table: every type with its elements, made from the official definitions by ``generate.py``."""

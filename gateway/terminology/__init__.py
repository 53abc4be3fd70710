"""Code systems and sets: loading what ``terminology/`` holds."""

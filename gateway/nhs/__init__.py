"""English policy: who may, what is hidden, what is a summary, what may leave. Tables and pure functions; no I/O, no
SQL."""

"""Server-rendered pages: templates and style. No rules."""

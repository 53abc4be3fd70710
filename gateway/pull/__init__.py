"""The pull of another region's release: asked for, fetched, verified, and kept in a research store of its own."""

"""How a value of a resource matches what a search asks for: one module for each kind of search parameter."""

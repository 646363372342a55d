"""Report types and requests drawn at random, rendered in two ways, and the invariants of their files."""

"""Report types and requests drawn at random, rendered in two ways, and what must hold of their files."""

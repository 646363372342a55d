"""A week of a company that works with Todoke: a dozen report types, and what became of their jobs."""

"""A week of a company that uses Todoke: a dozen report types, and the outcomes of their jobs."""

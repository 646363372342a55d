"""PostgreSQL for tests, and what stands before it."""

"""PostgreSQL for tests, and the proxies in front of it."""

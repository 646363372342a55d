"""The relay sends outbox rows to their sinks, frees silent jobs, and removes what was kept long enough."""

"""The relay: publishes outbox rows to the queue, and sweeps silent jobs."""

"""Pages for people who write clients: the API, operation by operation, and every problem."""

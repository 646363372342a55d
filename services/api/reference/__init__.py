"""Pages for authors of clients: the API, operation by operation, and every problem."""

"""The client and its command line, tested against the API and against servers that misbehave."""

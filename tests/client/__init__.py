"""The client and its command line, held to the API and to servers that misbehave."""

"""The API accepts report requests, shows jobs and serves files. It never talks to the queue."""

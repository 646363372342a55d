"""Sources of a report's rows: PostgreSQL, files, Python."""

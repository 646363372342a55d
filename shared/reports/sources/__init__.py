"""Where a report's rows come from: PostgreSQL, files, Python."""

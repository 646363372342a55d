"""The door to PostgreSQL: connections, what they are asked for health, and the map of the tables."""

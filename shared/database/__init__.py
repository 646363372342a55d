"""How Todoke reaches PostgreSQL: connections, their health, what error codes mean, and the map of the tables."""

"""One suite per interface, over the double and the real thing."""

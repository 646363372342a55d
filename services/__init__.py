"""The three services, and the operator's command. They meet only in `shared`."""

"""The three processes. They meet only in `shared`."""

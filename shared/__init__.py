"""What the three services agree on. Imports inside point down; import-linter keeps it so (see pyproject.toml)."""

"""Code that the services share. Imports inside it point down; import-linter enforces that (see pyproject.toml)."""

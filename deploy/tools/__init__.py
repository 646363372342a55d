"""Tools for developers: the audit of packages, the check of migrations, the generated pages of the documentation."""

"""What developers run: the audit of packages, the check of migrations, the pages of docs made from code."""

"""How Todoke is run: on one machine (`local`), with sample data (`sample`), and later in containers."""

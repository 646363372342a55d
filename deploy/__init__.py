"""How Todoke is run: on one machine (`local`), in containers (`images`, `compose`), with sample data (`sample`)."""

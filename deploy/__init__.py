"""Ways to run Todoke: on one machine (`local`), in containers (`images`, `compose`), with sample data (`sample`)."""

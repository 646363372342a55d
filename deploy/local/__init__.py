"""`make run`: the whole system on one machine, with nothing to set up."""

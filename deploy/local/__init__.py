"""`make run`: the whole system on one machine, without any setup."""

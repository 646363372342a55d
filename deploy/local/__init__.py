"""The whole system on one machine, with nothing to set up: `make run`."""

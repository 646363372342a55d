"""Pictures of every kind of file that a report can produce, for people to look at: `make samples`."""

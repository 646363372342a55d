"""Pictures of every kind of file that a report can become, for people to look at: `make samples`."""

"""Minutes of load under seeded faults, then rest, then the history checker."""

"""Minutes of load under seeded faults, then peace, then the history checker."""

"""Where a report is made: a process of its own, bounded and alone."""

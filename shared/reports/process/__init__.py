"""The process in which a report is made: bounded, and alone."""

"""The process in which a report is made: limited, and isolated."""

"""Who asks, and how often."""

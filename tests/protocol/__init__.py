"""What is promised, whatever dies: proved in a model and on real processes."""

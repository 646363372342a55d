"""The promises, whatever dies: proved in a model and on real processes."""

"""The worker takes doorbells, starts jobs under a lease, makes the reports and publishes them."""

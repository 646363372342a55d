"""The sample catalog and its data: 336,776 flights from New York City in 2013."""

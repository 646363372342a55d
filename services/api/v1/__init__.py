"""One module per resource, and the views beside them."""

"""The API's routes, one module per resource, with their views."""

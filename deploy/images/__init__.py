"""The services' container images: building them, and listing what is in them."""

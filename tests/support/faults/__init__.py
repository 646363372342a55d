"""What goes wrong, where and when."""

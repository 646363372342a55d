"""Faults: what goes wrong, where and when."""

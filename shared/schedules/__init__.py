"""Schedules: reports that are requested by the clock."""

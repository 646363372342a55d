"""Schedules: reports that are asked for by the clock."""

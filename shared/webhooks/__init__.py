"""Webhooks: who is told what has happened, and how it is delivered, as Standard Webhooks has it."""

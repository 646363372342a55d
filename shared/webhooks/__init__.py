"""Webhooks: who is notified of what, and how notifications are delivered, according to Standard Webhooks."""

"""Doubles of SQS: one exact, one fast, and moto as a second opinion."""

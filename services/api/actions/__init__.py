"""Use cases: functions that take the API's parts, a principal and an input. They know nothing of HTTP."""

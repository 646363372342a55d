"""Use cases: functions over the API's parts, a principal and an input. They know no HTTP."""

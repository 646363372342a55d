"""What every service runs on: settings, logs, traces, metrics, loops and how they stop."""

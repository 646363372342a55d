"""The dashboard, and what tells Grafana where it is."""

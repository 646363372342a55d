"""The dashboard, and the files that tell Grafana where to find it."""

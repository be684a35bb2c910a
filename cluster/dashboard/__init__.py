"""What Grafana draws of runs, trainings and servers, beside Ray's own dashboards."""

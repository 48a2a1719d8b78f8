"""The pipeline on a real Redis Cluster."""

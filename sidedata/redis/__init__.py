"""The connection to Redis: clients, cluster, replication, scripts; its errors are translated here and nowhere else."""

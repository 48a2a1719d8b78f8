"""What every handler shares: authentication, bodies, problems, logs."""

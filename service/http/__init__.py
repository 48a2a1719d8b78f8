"""HTTP in general: authentication, bodies, problems, logs, and the state that handlers share."""

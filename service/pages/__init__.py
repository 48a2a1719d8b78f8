"""The files of the dashboard and of the API page, served without any processing."""

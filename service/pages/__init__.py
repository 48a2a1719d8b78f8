"""The files of the dashboard and of the API page, served as they are."""

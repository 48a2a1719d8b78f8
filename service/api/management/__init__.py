"""Endpoints for the management of an installation: dead letters, records of organizations and workflows, access."""

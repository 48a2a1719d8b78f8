"""Packages of others: their locks, their licences, their known vulnerabilities."""

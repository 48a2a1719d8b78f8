"""Requests and answers of any resource: their forms, faults and description."""

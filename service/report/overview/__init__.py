"""Overviews: the reports of many workflows of an organization in one answer."""

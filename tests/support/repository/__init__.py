"""The repository's own files as data: pages, tables, deploy/, syntax trees."""

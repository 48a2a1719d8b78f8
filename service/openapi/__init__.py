"""/openapi.json: the document, its schemas and its examples."""

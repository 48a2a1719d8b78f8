"""Organizations and workflows as their partition's owner knows them."""

"""Keys and what is stored under them."""

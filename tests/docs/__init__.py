"""Pages, examples and the rules of imports."""

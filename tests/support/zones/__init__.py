"""Zone rules that change under an installation."""

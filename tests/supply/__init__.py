"""What comes from others: which packages are locked, under which licences, and what is known against them."""

"""Sections 3 to 5 of the contract: the numbers of answers, by hand and against brute force."""

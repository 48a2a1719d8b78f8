"""Section 2 of the contract: which events count, and the dead letters of the rest."""

"""Full, frozen, killed and attacked: what is promised while things break."""

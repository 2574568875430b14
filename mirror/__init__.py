"""Uses and carries a release: plan, pull, verify, mirror, seed."""

"""What an operator runs for years: seeding."""

"""What past tasks teach of a new one: a surrogate of each, how far they agree, and their average by evidence."""

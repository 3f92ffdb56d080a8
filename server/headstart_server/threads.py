"""Counts the threads of a server: one constant a pool, and what its calls may wait for."""

# Models. Torch has threads of its own; two callers keep it busy while one decodes.
MODEL_THREADS = 2
# Edit distances, which are Python: more would only take turns from the rest.
EDIT_THREADS = 2
# Reads of tokens and quotas.
GATE_THREADS = 2
# Large requests, which are decoded one after the other: in Python, more would only take turns.
DECODE_THREADS = 1
# Transactions of records at once: one as a rule, the others where it takes long.
RECORD_THREADS = 3
# Records of tasks that another transaction holds: they take turns.
HELD_THREADS = 3
# What may take seconds: explanations, transfers to many tasks, searches over all spaces, thousands of candidates.
# What takes milliseconds must not wait for it.
SLOW_THREADS = 2

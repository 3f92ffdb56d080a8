"""Which strategy to follow: protocol S on 23 tasks, arms that drift, algorithm selection from history alone."""

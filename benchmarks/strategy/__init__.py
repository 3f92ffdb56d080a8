"""Protocol S: which strategy to follow, on 23 tasks of four spaces."""

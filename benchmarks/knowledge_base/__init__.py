"""How the knowledge base does at size: its answers, its index, its import, and what it takes for similar."""

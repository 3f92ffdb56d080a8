"""Keeps the vector index of architectures in Chroma, and asks it."""

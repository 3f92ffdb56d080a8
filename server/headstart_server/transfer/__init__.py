"""Transfer of an architecture to other tasks: adaptation, transferability, fine-tuning plan. Entry point:
``service``."""

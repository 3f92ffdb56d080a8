"""Fine-tuning plans against full fine-tuning and training from scratch."""

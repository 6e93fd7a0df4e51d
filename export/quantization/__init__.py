"""Int8 after training and after conversion: what each layer lost, and what each target made of it."""

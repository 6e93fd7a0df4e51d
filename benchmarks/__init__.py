"""What the toolkit costs on this machine: the demo, speed, operators, memory, and pytest-benchmark cases."""

"""The Textual screens. A view reads a Timeline and nothing else."""

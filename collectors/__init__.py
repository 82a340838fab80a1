"""Sources of Frames: one file each, each with its own driver library, imported lazily."""

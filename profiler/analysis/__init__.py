"""What the Frames mean: hotspots, steps, who made a kernel, and the report."""

"""The domain: Frames, attach, agents, traces and the analysis of them. Knows no screen and no driver."""

__version__ = "0.1.0"

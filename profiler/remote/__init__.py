"""Another machine, with nothing installed there: the way to it, what is sent, what comes back."""

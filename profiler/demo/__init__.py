"""The training job of `acceltop demo`: an ordinary script that knows nothing of acceltop."""

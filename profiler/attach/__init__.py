"""Get a piece of code to run in a live process, or say in one line why not and what to do."""

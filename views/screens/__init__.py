"""One file a screen: which panes it has, and how many lines each gets."""

"""What the panes say, drawn from the timeline: plain values, no layout."""

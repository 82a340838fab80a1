"""The past in bounded memory. Standard library alone, but for `bands`: the recorder keeps its overview in it too."""

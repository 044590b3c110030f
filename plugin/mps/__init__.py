"""The MPS control daemons of claims: what they are, who starts them, and the program they run."""

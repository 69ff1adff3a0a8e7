"""How fast the control plane is, how soon a worker begins, and how large states get."""

"""What is kept: ports with adapters. `records` for small versioned documents, `log` for what streams by.

Every adapter passes the contract suite of its port in `hotori.testing`. Disk work happens in a store's own
writer thread; callers await. A store will not interpret what it keeps.
"""

"""What compares a window with its reference: one engine protocol, one module per engine."""

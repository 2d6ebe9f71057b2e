"""What can be wrong with a device, looked at one by one, whether it runs or not (contract 8.2)."""

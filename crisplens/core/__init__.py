"""What every area stands on and that knows nothing of machine learning."""

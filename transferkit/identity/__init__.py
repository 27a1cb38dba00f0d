"""What a row of features depends on."""

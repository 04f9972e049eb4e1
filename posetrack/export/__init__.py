"""Networks in the formats that other programs run, and how far those are from their source."""

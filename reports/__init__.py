"""The results table, its statistics, tables and figures. Knows rows, never audio."""

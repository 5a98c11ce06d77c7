"""The harness: scenes, metrics, plan, execution and the command line."""

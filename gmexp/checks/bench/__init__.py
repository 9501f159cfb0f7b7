"""`gmexp bench`: how fast the engine is beside the others that run CoinRun."""

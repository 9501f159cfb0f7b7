"""From counts to a calibrated posterior: model, sampler, diagnostics, meta-analysis, checks, sensitivity."""

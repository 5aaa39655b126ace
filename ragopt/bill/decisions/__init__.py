"""The decisions that a bill answers, each a pure function with its break-even and a sentence."""

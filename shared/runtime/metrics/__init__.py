"""How metrics are declared, and those that several services share. A service's own are in its `metrics` module.

A process shows only the metrics of the modules that it imports, so that a gauge of zero always means zero.
"""

"""How metrics are declared, and those that several services show. A service's own stand in its `metrics` module.

A process shows the metrics of the modules it imports and no others, so that a gauge of zero always means zero.
"""

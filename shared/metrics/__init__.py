"""Every metric, by the service that shows it: `api`, `relay`, `worker`, and `common` to several of them.

A process shows the metrics of the modules it imports and no others, so that a gauge of zero always means zero.
"""

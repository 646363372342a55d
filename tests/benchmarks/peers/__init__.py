"""Other job systems from PyPI, each as its documentation recommends for throughput. They run in an environment of their
own and import nothing of Todoke."""

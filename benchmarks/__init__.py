"""What is timed, against whom: ratios inside one run, since machines are noisy."""

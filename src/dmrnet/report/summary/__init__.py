"""What a report says of one data set: systems, differences, ranks, notes, analyses."""

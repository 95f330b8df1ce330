"""Finding assets among many: filters, order, statistics, export."""

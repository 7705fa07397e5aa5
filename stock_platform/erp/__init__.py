"""ERP exports: from a CSV file in the landing folder to the history of companies and exchanges."""

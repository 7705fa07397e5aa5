"""Engines that run the Spark job: Sail, local Spark and Dataproc Serverless.

The job itself is one file outside this package, `spark_jobs/process_stock_prices.py`.
"""

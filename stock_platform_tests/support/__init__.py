"""What several tests need. The folder of the repository is its ROOT."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

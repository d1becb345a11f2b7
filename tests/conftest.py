"""Tests see no model that was fetched on this machine: their default is the one that ships."""

import atexit
import os
import shutil
import tempfile

FOLDER = tempfile.mkdtemp(prefix="nunbit-test-cache-")
os.environ["NUNBIT_CACHE"] = FOLDER
atexit.register(shutil.rmtree, FOLDER, True)

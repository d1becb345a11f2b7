#!/bin/sh
# Optional system packages, on Debian and its relatives: text recognition with Korean, fonts and a browser for making pictures and page tests.
# The core works without them; `nunbit doctor` says what is missing.
set -eu
[ "$(id -u)" = 0 ] || { echo "run as root: sudo sh tools/system.sh" >&2; exit 2; }
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
  tesseract-ocr tesseract-ocr-eng tesseract-ocr-kor tesseract-ocr-chi-sim fonts-nanum fonts-dejavu-core poppler-utils chromium

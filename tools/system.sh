#!/bin/sh
# Optional system packages, on Debian and its relatives. The core works without them; `nunbit doctor` says what is missing.
#   sh tools/system.sh           all: text recognition with Korean, fonts and a browser for making pictures and page tests
#   sh tools/system.sh reading   text recognition alone, where it is missing and may be installed; never an error
set -eu
reading="tesseract-ocr tesseract-ocr-eng tesseract-ocr-kor tesseract-ocr-chi-sim"
others="fonts-nanum fonts-dejavu-core poppler-utils chromium"
may() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }
quick="-o Acquire::http::Timeout=15 -o Acquire::Retries=1"
install() { apt-get $quick update -qq && DEBIAN_FRONTEND=noninteractive apt-get $quick install -y -qq --no-install-recommends "$@"; }

if [ "${1:-}" = reading ]; then
  tesseract --list-langs 2>/dev/null | grep -qx kor && exit 0
  if may; then
    echo "installing text recognition (tesseract with Korean)"
    install $reading >/dev/null 2>&1 && exit 0
  fi
  echo "Korean text is not read until tesseract is there: sudo sh tools/system.sh"
  exit 0
fi
may || { echo "run as root on Debian or a relative: sudo sh tools/system.sh" >&2; exit 2; }
install $reading $others

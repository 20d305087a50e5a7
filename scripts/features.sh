#!/usr/bin/env bash
# Prints the cargo features that this machine's libraries allow beside the default ones: v1_24, which
# adds GstAnalytics metadata, where GStreamer 1.24 or newer with its analytics library is installed.
set -euo pipefail

if pkg-config --atleast-version=1.24 gstreamer-analytics-1.0 2>/dev/null; then
    echo v1_24
fi

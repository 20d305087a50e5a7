#!/usr/bin/env python3
"""What m2sdfilter says of a video: faces of each frame from its metadata, verdicts from the bus.

    apt-get install python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0
    python3 examples/python/faces.py clip.mp4 [ENGINES]

The plugin must be where GStreamer looks (make install), or in GST_PLUGIN_PATH. Fields:
docs/metadata.md.
"""

import ctypes
import sys
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402


class Meta(ctypes.Structure):
    """GstVideoRegionOfInterestMeta up to its rectangle.

    Its bindings find one region by its id, and faces share one: C iterates over all.
    """

    _fields_ = [
        ("flags", ctypes.c_int),
        ("info", ctypes.c_void_p),
        ("roi_type", ctypes.c_uint32),
        ("id", ctypes.c_int),
        ("parent_id", ctypes.c_int),
        ("x", ctypes.c_uint),
        ("y", ctypes.c_uint),
        ("width", ctypes.c_uint),
        ("height", ctypes.c_uint),
    ]


core = ctypes.CDLL("libgstreamer-1.0.so.0")
video = ctypes.CDLL("libgstvideo-1.0.so.0")
glib = ctypes.CDLL("libglib-2.0.so.0")
video.gst_video_region_of_interest_meta_api_get_type.restype = ctypes.c_size_t
core.gst_buffer_iterate_meta_filtered.restype = ctypes.POINTER(Meta)
core.gst_buffer_iterate_meta_filtered.argtypes = [
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_size_t,
]
video.gst_video_region_of_interest_meta_get_param.restype = ctypes.c_void_p
video.gst_video_region_of_interest_meta_get_param.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
core.gst_structure_to_string.restype = ctypes.c_void_p
core.gst_structure_to_string.argtypes = [ctypes.c_void_p]
glib.g_free.argtypes = [ctypes.c_void_p]


def parameter(meta, name):
    """A parameter of a region as Gst.Structure; None where it has none."""
    found = video.gst_video_region_of_interest_meta_get_param(meta, name.encode())
    if not found:
        return None
    text = core.gst_structure_to_string(found)
    try:
        return Gst.Structure.from_string(ctypes.string_at(text).decode())[0]
    finally:
        glib.g_free(text)


def field(structure, name):
    """A field of a structure; None where it has none."""
    return structure.get_value(name) if structure and structure.has_field(name) else None


def regions(buffer):
    """The regions of interest of a frame."""
    api = video.gst_video_region_of_interest_meta_api_get_type()
    state = ctypes.c_void_p()
    while True:
        # The hash of a boxed object is its address.
        meta = core.gst_buffer_iterate_meta_filtered(hash(buffer), ctypes.byref(state), api)
        if not meta:
            return
        yield meta


def on_frame(_pad, info):
    """Tells the faces of a frame."""
    buffer = info.get_buffer()
    for meta in regions(buffer):
        judged = parameter(meta, "m2sd")
        box = meta.contents
        print(
            f"{buffer.pts / Gst.SECOND:8.3f} s  face {field(parameter(meta, 'object_id'), 'id')}"
            f"  at {box.x},{box.y} {box.width}x{box.height}"
            f"  {field(judged, 'label')}  score {field(judged, 'score')}"
        )
    return Gst.PadProbeReturn.OK


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    Gst.init(None)
    if Gst.ElementFactory.find("m2sdfilter") is None:
        sys.exit("m2sdfilter is not where GStreamer looks: make install, or set GST_PLUGIN_PATH")
    pipeline = Gst.parse_launch(
        "uridecodebin name=source ! videoconvert ! m2sdfilter name=filter mode=complete ! fakesink"
    )
    pipeline.get_by_name("source").set_property("uri", Path(sys.argv[1]).absolute().as_uri())
    faces = pipeline.get_by_name("filter")
    if len(sys.argv) == 3:
        faces.set_property("engines-dir", sys.argv[2])
    faces.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, on_frame)
    pipeline.set_state(Gst.State.PLAYING)
    bus = pipeline.get_bus()
    status = 0
    while True:
        message = bus.timed_pop(Gst.CLOCK_TIME_NONE)
        said = message.get_structure()
        if message.type == Gst.MessageType.EOS:
            break
        if message.type == Gst.MessageType.ERROR:
            print(message.parse_error().gerror.message, file=sys.stderr)
            status = 1
            break
        if message.type == Gst.MessageType.ELEMENT and said.get_name() == "m2sd-verdict":
            before, now = field(said, "label-before"), field(said, "label")
            print(f"face {field(said, 'track')}: {before} -> {now}")
    pipeline.set_state(Gst.State.NULL)
    return status


if __name__ == "__main__":
    sys.exit(main())

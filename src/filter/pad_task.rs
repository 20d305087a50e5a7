//! The task of a source pad, which may be started again and again.

use glib::ffi::gpointer;
use glib::translate::ToGlibPtr;
use gst::prelude::*;

/// Starts the task of `pad` with the function that `make` makes, or resumes the one that is
/// paused, with the function it has.
///
/// GStreamer keeps a second start's function for good, unused, so that every flush would leave
/// one behind.
pub fn start_or_resume<F: FnMut() + Send + 'static>(
    pad: &gst::Pad,
    make: impl FnOnce() -> F,
) -> Result<(), glib::BoolError> {
    if pad.task_state() == gst::TaskState::Stopped { pad.start_task(make()) } else { resume(pad) }
}

fn resume(pad: &gst::Pad) -> Result<(), glib::BoolError> {
    /// Runs only if the task was ended meanwhile: there is nothing to do.
    unsafe extern "C" fn pause(pad: gpointer) {
        // SAFETY: the pad, which outlives its task.
        unsafe { gst::ffi::gst_pad_pause_task(pad.cast()) };
    }
    let pad: *mut gst::ffi::GstPad = pad.to_glib_none().0;
    // SAFETY: the pad is alive, and it outlives its task, which is all that gets to see it.
    let resumed = unsafe { gst::ffi::gst_pad_start_task(pad, Some(pause), pad.cast(), None) };
    if resumed == glib::ffi::GFALSE {
        return Err(glib::bool_error!("the pad's task does not resume"));
    }
    Ok(())
}

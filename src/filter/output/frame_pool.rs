//! Frames copied into memory of our own, which comes back when downstream is done with it: taken
//! anew from the system, the pages of each would take longer than the copy.

use gst::prelude::*;
use gst_video::VideoFrameRef;

/// Makes copies of frames of one caps.
pub struct FramePool {
    info: gst_video::VideoInfo,
    /// Hands out as many buffers as are wanted at once.
    pool: gst::BufferPool,
}

impl FramePool {
    /// # Errors
    /// When GStreamer cannot make a pool for such frames.
    pub fn new(info: &gst_video::VideoInfo) -> Result<Self, glib::BoolError> {
        let size = u32::try_from(info.size());
        let size = size.map_err(|_| glib::bool_error!("a frame is 4 GiB or larger"))?;
        let pool = gst_video::VideoBufferPool::new().upcast::<gst::BufferPool>();
        let mut config = pool.config();
        config.set_params(Some(&info.to_caps()?), size, 0, 0);
        pool.set_config(config)?;
        pool.set_active(true)?;
        Ok(Self { info: info.clone(), pool })
    }

    /// The frame in memory that nobody else has, with all that it carries.
    ///
    /// # Errors
    /// When there is no memory, or `frame` is not what the caps promise.
    pub fn copy(&self, frame: &gst::BufferRef) -> Result<gst::Buffer, glib::BoolError> {
        let refused = |_| glib::bool_error!("no memory for a copy of the frame");
        let mut copy = self.pool.acquire_buffer(None).map_err(refused)?;
        let writable = copy.make_mut();
        // Also a `GstVideoMeta` is left out: it says where the planes of the other memory are.
        frame.copy_into(writable, gst::BUFFER_COPY_METADATA, ..)?;
        let from = VideoFrameRef::from_buffer_ref_readable(frame, &self.info)?;
        let mut to = VideoFrameRef::from_buffer_ref_writable(writable, &self.info)?;
        from.copy(&mut to)?;
        drop(to);
        Ok(copy)
    }
}

impl Drop for FramePool {
    fn drop(&mut self) {
        // Buffers that are still out go with their last user. Nothing can be done where it fails.
        let _ = self.pool.set_active(false);
    }
}

#[cfg(test)]
mod tests {
    use gst_video::prelude::*;

    use super::*;

    /// A frame of I420 with rows and planes farther apart than usual.
    fn padded() -> (gst::Buffer, gst_video::VideoInfo) {
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, 6, 4);
        let info = info.build().unwrap();
        let mut frame = gst::Buffer::from_mut_slice((0..96u8).collect::<Vec<_>>());
        let writable = frame.get_mut().unwrap();
        writable.set_pts(gst::ClockTime::SECOND);
        writable.set_flags(gst::BufferFlags::DISCONT);
        gst_video::VideoRegionOfInterestMeta::add(writable, "theirs", (1, 2, 3, 4));
        gst_video::VideoMeta::add_full(
            writable,
            gst_video::VideoFrameFlags::empty(),
            gst_video::VideoFormat::I420,
            6,
            4,
            &[0, 48, 72],
            &[12, 8, 8],
        )
        .unwrap();
        (frame, info)
    }

    #[test]
    fn a_copy_has_the_pixels_and_what_the_frame_carries() {
        gst::init().unwrap();
        let (frame, info) = padded();
        let pool = FramePool::new(&info).unwrap();
        let copy = pool.copy(&frame).unwrap();
        assert_eq!(copy.pts(), Some(gst::ClockTime::SECOND));
        assert!(copy.flags().contains(gst::BufferFlags::DISCONT));
        let regions: Vec<_> = copy.iter_meta::<gst_video::VideoRegionOfInterestMeta>().collect();
        assert_eq!(regions.iter().map(|r| r.rect()).collect::<Vec<_>>(), [(1, 2, 3, 4)]);
        let rows = |buffer: &gst::BufferRef| {
            let frame = VideoFrameRef::from_buffer_ref_readable(buffer, &info).unwrap();
            (0..3u32)
                .map(|plane| {
                    let (width, stride) =
                        (if plane == 0 { 6 } else { 3 }, frame.plane_stride()[plane as usize]);
                    let rows = frame.plane_data(plane).unwrap().chunks(stride as usize);
                    let height = if plane == 0 { 4 } else { 2 };
                    rows.take(height).map(|row| row[..width].to_vec()).collect::<Vec<_>>()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(rows(&copy), rows(&frame));
        assert!(copy.meta::<gst_video::VideoMeta>().is_none_or(|m| m.stride()[0] < 12));
    }

    #[test]
    fn memory_comes_back_and_nothing_of_its_last_frame_stays() {
        gst::init().unwrap();
        let (frame, info) = padded();
        let pool = FramePool::new(&info).unwrap();
        let place = |buffer: &gst::Buffer| buffer.map_readable().unwrap().as_ptr();
        let first = pool.copy(&frame).unwrap();
        let (at, beside) = (place(&first), pool.copy(&frame).unwrap());
        assert_ne!(at, place(&beside));
        drop(first);
        let mut plain = frame.copy_deep().unwrap();
        plain.make_mut().unset_flags(gst::BufferFlags::DISCONT);
        while let Some(meta) = plain.make_mut().meta_mut::<gst_video::VideoRegionOfInterestMeta>() {
            meta.remove().unwrap();
        }
        let again = pool.copy(&plain).unwrap();
        assert_eq!(place(&again), at);
        assert!(again.meta::<gst_video::VideoRegionOfInterestMeta>().is_none());
        assert!(!again.flags().contains(gst::BufferFlags::DISCONT));
        // Those that are out outlive the pool.
        drop(pool);
        assert_eq!(again.pts(), Some(gst::ClockTime::SECOND));
    }

    #[test]
    fn a_frame_that_is_not_what_the_caps_promise_is_an_error() {
        gst::init().unwrap();
        let pool = FramePool::new(&padded().1).unwrap();
        assert!(pool.copy(&gst::Buffer::from_slice([1u8, 2, 3])).is_err());
    }
}

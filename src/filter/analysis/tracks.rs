//! The life of tracks: how they go on, and the one place where they end, with a reason.

use super::Analysis;
use crate::core::continuity::Break;
use crate::core::track::TrackId;
use crate::core::window::ShortTrack;
use crate::filter::output::queue::Output;
use crate::filter::settings::Delivery;
use crate::filter::stats::ClipEnd;

/// Why a track ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackEnd {
    /// No face of the frame is where this one was.
    Left,
    /// The pictures do not continue those before.
    Break(Break),
    /// Another stream begins.
    NewStream,
    /// Nothing follows: EOS, or the end of a segment.
    StreamEnd,
    Flush,
    /// The models that find faces failed.
    ModelsFailed,
    /// The mode changed with the caps.
    ModeChanged,
}

impl TrackEnd {
    /// As messages have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Break(Break::Hole { .. }) => "gap",
            Self::Break(Break::Backward { .. }) => "backward",
            Self::Break(Break::Elsewhere) => "segment",
            Self::NewStream => "new-stream",
            Self::StreamEnd => "end-of-stream",
            Self::Flush => "flush",
            Self::ModelsFailed => "models-failed",
            Self::ModeChanged => "mode-changed",
        }
    }
}

impl Analysis {
    /// Ends every track.
    pub(super) fn end_tracks(&mut self, end: TrackEnd) {
        if let Some(stream) = &mut self.stream {
            stream.forget_faces();
        }
        for track in self.tracker.end_all() {
            self.end_track(track, end);
        }
        if let Some(clips) = &mut self.clips {
            clips.sampler.restart();
        }
    }

    /// Ends one track, which the tracker has dropped.
    pub(super) fn end_track(&mut self, track: TrackId, end: TrackEnd) {
        self.close_track(track, end == TrackEnd::StreamEnd);
        self.shared.stats.track_ends(track);
        // Stale after a flush, when there is nothing to forget either.
        let (reason, at) = (end.as_str(), self.present);
        let _ = self.pass(Output::TrackEnd { track, reason, at });
    }

    /// Has every track begin its clips anew, as far as frames wait for these: whoever feeds the
    /// element waits for what it holds, or no clip may hold the frames to come beside those before.
    pub(super) fn close_windows(&mut self) {
        let tracks: Vec<_> = self.tracker.live().collect();
        for track in tracks {
            self.close_track(track, false);
        }
    }

    /// Closes a track's windows. A short one is padded and a waiting clip is scored where the
    /// stream can wait for that: in complete mode, and at its end.
    fn close_track(&mut self, track: TrackId, at_end: bool) {
        let live = self.shared.latency_params().delivery == Delivery::Live;
        let in_passing = live && !at_end;
        let short = if in_passing { ShortTrack::Drop } else { ShortTrack::Pad };
        let Some(clips) = &mut self.clips else { return };
        let events = clips.windows.close(track, short);
        // Puts the track's last clips in line.
        self.handle(events);
        let waiting = self.clips.as_mut().and_then(|clips| clips.line.forget(track));
        match waiting {
            Some(_) if in_passing => self.shared.stats.clip(ClipEnd::Skipped),
            Some(clip) => self.score(clip),
            None => {}
        }
    }
}

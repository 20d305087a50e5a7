//! Clips that wait for their sound, on a thread of their own: neither frames nor analysis wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::history::{Epoch, Patience};
use crate::core::audio::ClipAudio;
use crate::core::span::Span;
use crate::filter::generation::Generation;
use crate::filter::shared::Shared;

/// What to do with a clip once its sound is known. Dropped uncalled when a flush or the end of the
/// run came first.
pub type Send = Box<dyn FnOnce(Option<ClipAudio>) + std::marker::Send>;

struct Waiting {
    span: Span,
    since: Instant,
    patience: Patience,
    generation: Generation,
    epoch: Epoch,
    send: Send,
}

/// Sends clips on in the order in which they came, each when its sound has been heard, when it
/// cannot come any more, or when it has waited for long enough.
pub struct WaitingClips {
    shared: Arc<Shared>,
    queue: Option<Sender<Waiting>>,
    depth: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl WaitingClips {
    pub fn start(shared: &Arc<Shared>) -> std::io::Result<Self> {
        let (queue, clips) = channel();
        let depth = Arc::new(AtomicUsize::new(0));
        let thread = {
            let (shared, depth) = (Arc::clone(shared), Arc::clone(&depth));
            let thread = thread::Builder::new().name("m2sd-sound".into());
            thread.spawn(move || send_in_turn(&shared, &clips, &depth))?
        };
        Ok(Self { shared: Arc::clone(shared), queue: Some(queue), depth, thread: Some(thread) })
    }

    /// How many clips wait, the one being sent included.
    pub fn depth(&self) -> usize {
        self.depth.load(Ordering::Relaxed)
    }

    /// Calls `send` with the sound of `span`, on the thread.
    pub fn push(&self, span: Span, patience: Patience, generation: Generation, send: Send) {
        let epoch = self.shared.audio.epoch();
        let clip = Waiting { span, since: Instant::now(), patience, generation, epoch, send };
        if let Some(queue) = &self.queue {
            self.depth.fetch_add(1, Ordering::Relaxed);
            // Fails when the thread has panicked: the clip is dropped, and settles as skipped.
            let _ = queue.send(clip);
        }
    }
}

impl Drop for WaitingClips {
    /// Does not wait for sound, but for the clip that is being sent.
    fn drop(&mut self) {
        self.queue = None;
        self.shared.audio.interrupt();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            let _panicked = thread.join();
        }
    }
}

fn send_in_turn(shared: &Shared, clips: &Receiver<Waiting>, depth: &AtomicUsize) {
    for clip in clips {
        let Waiting { span, since, patience, generation, epoch, send } = clip;
        shared.audio.await_sound(span.end_ns, since, patience, epoch);
        if shared.output.is_current(generation) {
            send(shared.audio.clip(span));
        }
        depth.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gst::prelude::*;

    use super::*;

    const FOREVER: Patience = Patience { most: Duration::from_secs(3600), from_newest: false };
    const TIMEOUT: Duration = Duration::from_secs(60);
    const SPAN: Span = Span { start_ns: 0, end_ns: 1_000_000 };

    /// What is sent, and the pads that must stay linked.
    fn waiting() -> (Arc<Shared>, WaitingClips, [gst::Pad; 2]) {
        gst::init().unwrap();
        let pads = [gst::PadDirection::Src, gst::PadDirection::Sink].map(gst::Pad::new);
        pads[0].link(&pads[1]).unwrap();
        let shared = Arc::<Shared>::default();
        shared.start();
        shared.audio.attach(&pads[1]);
        let clips = WaitingClips::start(&shared).unwrap();
        (shared, clips, pads)
    }

    #[test]
    fn clips_are_sent_in_order_with_their_sound() {
        let (shared, clips, _pads) = waiting();
        let (sent, heard) = channel();
        for number in 0..3 {
            let sent = sent.clone();
            let send: Send = Box::new(move |sound| sent.send((number, sound)).unwrap());
            clips.push(SPAN, FOREVER, shared.output.generation(), send);
        }
        assert!(heard.try_recv().is_err());
        shared.audio.hear(0, &[0.5; 16]);
        for number in 0..3 {
            let (found, sound) = heard.recv_timeout(TIMEOUT).unwrap();
            assert_eq!((found, sound.unwrap().samples), (number, vec![0.5; 16]));
        }
    }

    #[test]
    fn a_flush_and_the_end_drop_what_waits() {
        let (shared, clips, _pads) = waiting();
        let (sent, heard) = channel::<()>();
        let push = |sent: Sender<()>| {
            let send: Send = Box::new(move |_| sent.send(()).unwrap());
            clips.push(SPAN, FOREVER, shared.output.generation(), send);
        };
        push(sent.clone());
        shared.stop();
        shared.start();
        push(sent);
        // Both wait for an hour otherwise; the first is of another generation besides.
        shared.output.flush();
        drop(clips);
        assert!(heard.recv_timeout(TIMEOUT).is_err(), "neither was sent, and both are gone");
    }
}

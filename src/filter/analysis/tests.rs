use super::worker::supervise;
use super::*;
use crate::filter::M2sdFilter;
use crate::filter::input::queue::Input;

#[test]
fn a_panic_is_an_element_error_and_upstream_stops() {
    gst::init().unwrap();
    let element = glib::Object::new::<M2sdFilter>();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let shared = Arc::clone(&element.imp().shared);
    shared.start();
    let loader = Loader::default();
    let analysis =
        Analysis::new(&element, Settings::default(), CancelToken::new(), loader.clone()).unwrap();
    supervise(analysis, |_| panic!("as the test wants it"));
    loader.join();

    let error = std::iter::from_fn(|| bus.pop()).find_map(|message| match message.view() {
        gst::MessageView::Error(error) => Some(error.error().to_string()),
        _ => None,
    });
    assert!(error.unwrap().contains("panicked"));
    assert_eq!(shared.flow(), Some(gst::FlowError::Error));
    let frame = Input::Frame { buffer: gst::Buffer::new(), arrived: Instant::now() };
    assert!(shared.input.push(shared.output.generation(), frame).is_err());
    bus.set_flushing(true);
}

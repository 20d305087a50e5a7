//! What the page tells, and how it is used.

use std::collections::HashSet;

use gstm2sd::watch::control::Control;
use gstm2sd::watch::rest::HttpConfig;

use super::scenes::{HOSTILE, scenes};
use crate::browser::Browser;
use crate::control::{id, open};
use crate::events::{alert, record};

#[test]
fn the_wall_tells_states_and_what_scores_are_worth() {
    let scenes = scenes(open());
    let browser = Browser::start();
    browser.size(1280, 900);
    browser.open(&scenes.page(""));
    browser.until("[...document.querySelectorAll('.card')].length === 4");
    browser.until("[...document.images].filter(i => i.src.startsWith('blob:') && i.naturalWidth === 640).length === 3");
    for text in [
        "Front door",
        "fake Face 7: score 0.83, 11 times likelier for a fake video",
        "real Face 8: score 0.12, 20 times likelier for a real video",
        "the face is too small (too-small: 12 px between the eyes, 40 needed)",
        "UNCALIBRATED",
        "UNKNOWN TRAINING",
        "nobody says how the classifier was trained",
        "the classifier has no threshold to hold scores against",
        "connection refused; next try in 8 s",
        "A score is no proof.",
        "Newest verdicts",
    ] {
        browser.until_text(text);
    }
    browser.screenshot("wall");
    // Frames go on.
    let picture = "document.querySelector('.card img').src";
    let before = browser.eval(picture);
    browser.until(&format!("{picture} !== {before}"));
    // A verdict that comes is shown.
    record(&scenes.running, "gate", alert(None));
    browser.until("document.querySelector('#verdicts li').textContent.includes('gate')");
    browser.until("document.querySelector('#announcements').textContent.includes('camera gate')");
    // A camera that is removed goes, and others stay.
    scenes.running.control.remove(&id("gate")).unwrap();
    browser.until("[...document.querySelectorAll('.card')].length === 3");
    // A camera that shows nothing says so.
    browser.assert_clean(&scenes.host(), &["503", "404"]);
}

#[test]
fn no_score_is_without_its_label() {
    let scenes = scenes(open());
    let browser = Browser::start();
    for view in ["", "cameras/door", "alerts"] {
        browser.open(&scenes.page(view));
        browser.until("/score \\d/.test(document.body.innerText)");
        let bare = browser.eval(
            "(() => { const labels = /fake|real|uncertain|insufficient|unscored|onerror/;
              const bare = [];
              const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
              while (walker.nextNode()) {
                const node = walker.currentNode;
                if (!/score \\d/.test(node.data)) continue;
                const line = node.parentElement.closest('li, tr, p, title') ?? node.parentElement;
                if (!labels.test(line.textContent)) bare.push(line.textContent);
              }
              return bare; })()",
        );
        assert_eq!(bare.as_array().unwrap().len(), 0, "{view}: {bare}");
    }
}

#[test]
fn text_of_cameras_and_models_is_never_html() {
    let scenes = scenes(open());
    let browser = Browser::start();
    for view in ["", "cameras/hostile", "alerts", "health"] {
        browser.open(&scenes.page(view));
        if view != "alerts" {
            let shown = serde_json::to_string(HOSTILE).unwrap();
            browser.until(&format!("document.querySelector('main').textContent.includes({shown})"));
        } else {
            browser.until("document.querySelectorAll('.alert-card').length === 2");
        }
        assert!(browser.eval("window.harmed").is_null(), "{view}");
        assert_eq!(
            browser.eval("document.querySelectorAll('main script, main [onerror]').length"),
            0
        );
    }
    browser.assert_clean(&scenes.host(), &["503"]);
}

#[test]
fn a_camera_has_its_timeline_and_says_it_in_words() {
    let scenes = scenes(open());
    let browser = Browser::start();
    browser.size(1280, 900);
    browser.open(&scenes.page("cameras/door"));
    browser.until("document.querySelectorAll('.timeline circle.fake').length > 20");
    browser.until("document.querySelectorAll('.timeline circle.real').length > 20");
    browser.until("document.querySelectorAll('.timeline circle.insufficient').length > 5");
    browser.until("document.querySelectorAll('.timeline path.alert').length > 1");
    browser.until_text("180 scored clips");
    browser.until_text("was uncertain");
    browser.until("document.querySelector('h1').textContent === 'Front door'");
    browser.until("document.querySelector('.picture img').naturalWidth === 640");
    browser.screenshot("camera");
    browser.eval("{ const s = document.querySelector('select'); s.value = '30'; s.dispatchEvent(new Event('change')); }");
    browser.until("document.querySelectorAll('.timeline circle').length > 100");
    browser.open(&scenes.page("cameras/nobody"));
    browser.until_text("there is no camera nobody");
    browser.assert_clean(&scenes.host(), &["404"]);
}

#[test]
fn an_alert_is_played_and_seen() {
    let scenes = scenes(open());
    let browser = Browser::start();
    browser.size(1280, 900);
    browser.open(&scenes.page("alerts"));
    browser.until("document.querySelectorAll('.alert-card').length === 2");
    browser.until("document.querySelector('video')?.readyState >= 1");
    assert_eq!(browser.eval("Math.round(document.querySelector('video').duration)"), 4);
    browser.eval("document.querySelector('video').currentTime = 3");
    browser.until("!document.querySelector('video').seeking && document.querySelector('video').readyState >= 2");
    browser.until("document.querySelector('.stills img').naturalWidth === 640");
    browser.until_text("The recording has made room for newer ones.");
    browser.screenshot("alerts");
    // A new alert comes on top, and the video that is shown stays what it is.
    browser.eval("document.querySelector('video').dataset.kept = 'yes'");
    record(&scenes.running, "gate", alert(None));
    browser.until("document.querySelectorAll('.alert-card').length === 3");
    browser.until_text("Nothing was recorded.");
    assert_eq!(browser.eval("document.querySelector('video').dataset.kept"), "yes");
    browser.assert_clean(&scenes.host(), &[]);
}

#[test]
fn models_and_health_are_told() {
    let scenes = scenes(open());
    scenes.running.spool.register("broker");
    let browser = Browser::start();
    browser.size(1280, 900);
    browser.open(&scenes.page("health"));
    for text in
        ["retinaface", "31 %", "UNKNOWN TRAINING", "UNCALIBRATED", "broker", "Memory", "123,456"]
    {
        browser.until_text(text);
    }
    browser.screenshot("health");
    browser.assert_clean(&scenes.host(), &[]);
}

#[test]
fn the_keyboard_reaches_everything_and_is_seen_to() {
    let scenes = scenes(open());
    let browser = Browser::start();
    browser.size(1280, 900);
    for view in ["", "cameras/door", "alerts", "health"] {
        browser.open(&scenes.page(view));
        browser.until("document.querySelectorAll('main a, main video, main .scroll').length > 0");
        browser.until("document.querySelector('main').innerText.length > 200");
        browser.key("Tab");
        assert_eq!(
            browser.eval("document.activeElement.textContent"),
            "Skip to the content",
            "{view}"
        );
        let mut seen = HashSet::new();
        for _ in 0..80 {
            let state = browser.eval(
                "(() => { const e = document.activeElement;
                  if (e === document.body) return null;
                  const style = getComputedStyle(e);
                  const all = [...document.querySelectorAll('*')];
                  return { at: all.indexOf(e), seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
                           what: e.outerHTML.slice(0, 200), video: e.tagName === 'VIDEO' }; })()",
            );
            if state.is_null() {
                break;
            }
            assert!(
                state["seen"] == true || state["video"] == true,
                "{view}: the focus is not seen at {state}"
            );
            seen.insert(state["at"].as_u64().unwrap());
            browser.key("Tab");
        }
        let reachable = browser.eval("[...document.querySelectorAll('a[href], button, select, video')].filter(e => e.checkVisibility()).length");
        assert!(
            seen.len() as u64 >= reachable.as_u64().unwrap(),
            "{view}: {} of {reachable}",
            seen.len()
        );
    }
    // From the wall to a camera, and the reader is where the new content begins.
    browser.open(&scenes.page(""));
    browser.until("document.querySelectorAll('.card').length === 4");
    browser.eval("[...document.querySelectorAll('.card a')].find(a => a.textContent === 'Front door').focus()");
    browser.key("Enter");
    browser.until("document.querySelector('h1').textContent === 'Front door'");
    assert_eq!(browser.eval("document.activeElement.tagName"), "H1");
    assert_eq!(browser.eval("document.title.startsWith('Camera door')"), true);
    // The skip link leads into the content, and leaves the address.
    browser.eval("document.querySelector('.skip').focus()");
    browser.key("Enter");
    assert_eq!(browser.eval("document.activeElement.id"), "main");
    assert_eq!(browser.eval("location.hash"), "#/cameras/door");
}

#[test]
fn a_lost_server_is_told_and_found_again() {
    let mut scenes = scenes(open());
    let browser = Browser::start();
    browser.size(1280, 900);
    browser.open(&scenes.page(""));
    browser.until("document.querySelectorAll('.card').length === 4");
    assert_eq!(browser.eval("document.querySelector('#lost').checkVisibility()"), false);
    scenes.running.stop();
    browser.until("document.querySelector('#lost').checkVisibility()");
    browser.until_text("What you see is old");
    browser.screenshot("lost");
    browser.events();
    scenes.running.start_again();
    browser.until("!document.querySelector('#lost').checkVisibility()");
    record(&scenes.running, "yard", alert(None));
    browser
        .until("document.querySelector('#verdicts li').textContent.includes('Alert: camera yard')");
}

#[test]
fn pictures_can_be_paused_and_are_for_those_who_want_no_motion() {
    let scenes = scenes(open());
    let browser = Browser::start();
    browser.prefers(&[("prefers-reduced-motion", "reduce")]);
    browser.size(1280, 900);
    browser.open(&scenes.page(""));
    browser.until("[...document.images].filter(i => i.src.startsWith('blob:') && i.naturalWidth === 640).length === 3");
    assert_eq!(browser.eval("document.querySelector('#pause').ariaPressed"), "true");
    let pictures = "[...document.images].map(i => i.src).join()";
    let before = browser.eval(pictures);
    browser.eval("new Promise(resolve => setTimeout(resolve, 1500))");
    assert_eq!(browser.eval(pictures), before, "they move");
    browser.eval("document.querySelector('#pause').click()");
    browser.until(&format!("{pictures} !== {before}"));
}

#[test]
fn a_token_is_asked_for_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let token = "f00dfeedf00dfeedf00dfeedf00dfeed";
    std::fs::write(&file, token).unwrap();
    let scenes = scenes(HttpConfig { token_file: Some(file), ..open() });
    let browser = Browser::start();
    browser.size(1280, 900);
    browser.open(&scenes.page(""));
    browser.until("location.pathname === '/login'");
    browser.until("document.activeElement?.id === 'token'");
    browser.screenshot("login");
    browser.insert("not-the-right-token");
    browser.key("Enter");
    browser.until_text("This is not the token.");
    browser.until("document.activeElement?.id === 'token'");
    browser.insert(token);
    browser.key("Enter");
    browser.until("document.querySelectorAll('.card').length === 4");
    browser.until("[...document.images].filter(i => i.src.startsWith('blob:') && i.naturalWidth === 640).length === 3");
    assert_eq!(browser.eval("document.cookie"), "", "scripts cannot read it");
    browser.until("document.querySelector('#logout').checkVisibility()");
    browser.eval("document.querySelector('#logout button').click()");
    browser.until("location.pathname === '/login'");
    browser.open(&scenes.page(""));
    browser.until("location.pathname === '/login'");
}

//! How the page looks: on a phone, in dark and light, for those who see little.

use super::scenes::scenes;
use crate::browser::Browser;
use crate::control::open;

const VIEWS: [(&str, &str); 4] =
    [("", "wall"), ("cameras/door", "camera"), ("alerts", "alerts"), ("health", "health")];

fn loaded(browser: &Browser) {
    browser.until("document.querySelector('main').innerText.length > 200");
    browser.eval("new Promise(resolve => setTimeout(resolve, 1200))");
}

#[test]
fn text_can_be_read_in_dark_and_light() {
    let scenes = scenes(open());
    let browser = Browser::start();
    browser.size(1280, 900);
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        browser.prefers(&[("prefers-color-scheme", scheme)]);
        for (view, name) in VIEWS {
            browser.open(&scenes.page(view));
            loaded(&browser);
            let contrast = browser.contrast();
            assert!(contrast["seen"].as_u64().unwrap() > 20, "{name}: {contrast}");
            assert_eq!(
                contrast["bad"].as_array().unwrap().len(),
                0,
                "{name}, {scheme}: {contrast:#}"
            );
            browser.screenshot(&format!("{name}-{scheme}"));
        }
        grounds.push(browser.eval("getComputedStyle(document.body).backgroundColor"));
    }
    assert_ne!(grounds[0], grounds[1], "dark is as light as light");
}

#[test]
fn a_phone_shows_everything_without_scrolling_sideways() {
    let scenes = scenes(open());
    let browser = Browser::start();
    browser.size(360, 740);
    for (view, name) in VIEWS {
        browser.open(&scenes.page(view));
        loaded(&browser);
        let wide = browser.beyond(360);
        assert!(wide.is_null(), "{name}: {wide:#}");
        let small = browser.eval(
            "[...document.querySelectorAll('header a:not(.skip), button, select')].filter(e => e.checkVisibility())
              .map(e => [e.getBoundingClientRect().height, e.textContent]).filter(([height]) => height < 24)",
        );
        assert_eq!(small.as_array().unwrap().len(), 0, "{name}: too small to be hit: {small}");
        browser.screenshot(&format!("{name}-phone"));
    }
}

#[test]
fn what_is_seen_can_be_heard() {
    let scenes = scenes(open());
    let browser = Browser::start();
    browser.size(1280, 900);
    for (view, name) in VIEWS {
        browser.open(&scenes.page(view));
        loaded(&browser);
        let wrong = browser.eval(
            "(() => { const wrong = [];
              const all = (selector) => [...document.querySelectorAll(selector)].filter(e => e.checkVisibility());
              const need = (good, what) => { if (!good) wrong.push(what); };
              need(document.documentElement.lang === 'en', 'lang');
              need(document.querySelectorAll('h1').length === 1, 'one h1');
              need(document.querySelectorAll('main').length === 1, 'one main');
              need(document.querySelector('nav [aria-current=page]') , 'the current view');
              all('img').forEach(e => need(e.hasAttribute('alt'), 'alt of ' + e.outerHTML));
              all('main img').forEach(e => need(e.alt !== '', 'words for ' + e.outerHTML));
              all('button, a').forEach(e => need(e.textContent.trim() || e.ariaLabel || e.querySelector('img[alt]'), 'name of ' + e.outerHTML));
              all('select, input').forEach(e => need(e.labels.length > 0, 'label of ' + e.outerHTML));
              all('video, svg[role]').forEach(e => need(e.getAttribute('aria-label'), 'name of ' + e.tagName));
              all('table').forEach(e => need(e.querySelector('th[scope]'), 'heads of a table'));
              const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
              need(new Set(ids).size === ids.length, 'ids once');
              return wrong; })()",
        );
        assert_eq!(wrong.as_array().unwrap().len(), 0, "{name}: {wrong:#}");
    }
    assert_eq!(browser.eval("document.querySelector('#lost').getAttribute('role')"), "alert");
    assert_eq!(
        browser.eval("document.querySelector('#announcements').getAttribute('role')"),
        "status"
    );
}

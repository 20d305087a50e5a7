//! How the page looks: on a phone, in dark and light, for those who see little.

use super::scenes::scenes;
use crate::browser::Browser;
use crate::control::open;

const VIEWS: [(&str, &str); 4] =
    [("", "wall"), ("cameras/door", "camera"), ("alerts", "alerts"), ("health", "health")];

/// Every visible text with its contrast to the ground behind it, where that is too small: 4.5, or 3 for
/// large text.
const CONTRAST: &str = r"(() => {
  const parse = (text) => (text.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => {
    const [R, G, B] = [r, g, b].map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * R + 0.7152 * G + 0.0722 * B;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color.length < 4 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const bad = [];
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest('script, option, video')) continue;
    const style = getComputedStyle(element);
    const color = parse(element instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [light(color), light(ground(element))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    seen += 1;
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < (large ? 3 : 4.5)) bad.push(`${contrast.toFixed(2)}: ${walker.currentNode.data.slice(0, 60)}`);
  }
  return { bad, seen };
})()";

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
            let contrast = browser.eval(CONTRAST);
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
        let wide = browser.eval(
            "(() => { const wide = document.documentElement.scrollWidth;
              if (wide <= 360) return null;
              return [wide, ...[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > 361
                && !e.closest('.scroll')).map(e => e.outerHTML.slice(0, 120)).slice(0, 5)]; })()",
        );
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

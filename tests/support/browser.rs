//! A real Chromium without a window, steered over its DevTools protocol through two named pipes.

// Each test program uses its own part.
#![allow(dead_code)]

use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long the browser, and the page in it, may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

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

/// The width of the page where it is too wide, with what reaches beyond; else null.
const BEYOND: &str = "(width => { const wide = document.documentElement.scrollWidth;
  if (wide <= width) return null;
  return [wide, ...[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > width + 1
    && !e.closest('.scroll')).map(e => e.outerHTML.slice(0, 120)).slice(0, 5)]; })";

/// A browser with one empty page.
pub struct Browser {
    process: Child,
    requests: RefCell<File>,
    replies: Receiver<Value>,
    next: Cell<u64>,
    session: RefCell<String>,
    /// What the page did since it was last asked: requests, messages on the console, errors.
    events: RefCell<Vec<Value>>,
    _folder: tempfile::TempDir,
}

impl Browser {
    pub fn start() -> Self {
        let found = Command::new("chromium").arg("--version").output();
        assert!(found.is_ok(), "chromium is needed: run make setup TEST=1");
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (to, from, profile) = (path("to"), path("from"), path("profile"));
        assert!(Command::new("mkfifo").args([&to, &from]).status().unwrap().success());
        // Chromium reads from descriptor 3 and writes to 4; nothing is fetched from anywhere.
        let script = "exec chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage \
            --no-first-run --disable-background-networking --disable-component-update \
            --disable-sync --disable-extensions --mute-audio --hide-scrollbars --autoplay-policy=no-user-gesture-required \
            --remote-debugging-pipe --user-data-dir=\"$3\" 3<\"$1\" 4>\"$2\"";
        let process = Command::new("sh")
            .args(["-c", script, "sh", &to, &from, &profile])
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // In the order in which the shell opens them: each waits for the other end.
        let requests = OpenOptions::new().write(true).open(&to).unwrap();
        let answers = BufReader::new(File::open(&from).unwrap());
        let (sender, replies) = channel();
        thread::spawn(move || {
            for message in answers.split(0) {
                let Ok(message) = message else { break };
                let Ok(message) = serde_json::from_slice(&message) else { break };
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let browser = Self {
            process,
            requests: RefCell::new(requests),
            replies,
            next: Cell::new(0),
            session: RefCell::default(),
            events: RefCell::default(),
            _folder: folder,
        };
        browser.attach();
        browser
    }

    fn attach(&self) {
        let target = self.call("Target.createTarget", json!({ "url": "about:blank" }));
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call("Target.attachToTarget", target)["sessionId"].clone();
        *self.session.borrow_mut() = session.as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
    }

    /// Calls a method of the protocol.
    pub fn call(&self, method: &str, params: Value) -> Value {
        self.send(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn send(&self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.next.get() + 1;
        self.next.set(id);
        let mut message = json!({ "id": id, "method": method, "params": params });
        let session = self.session.borrow().clone();
        if !session.is_empty() {
            message["sessionId"] = session.into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.requests.borrow_mut().write_all(&bytes).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let reply = self.replies.recv_timeout(left);
            let reply = reply.unwrap_or_else(|_| panic!("chromium does not answer {method}"));
            if reply["id"] == id {
                let error = &reply["error"];
                return if error.is_null() {
                    Ok(reply["result"].clone())
                } else {
                    Err(error.clone())
                };
            }
            self.events.borrow_mut().push(reply);
        }
    }

    /// The value of an expression in the page, which may be a promise.
    pub fn eval(&self, expression: &str) -> Value {
        self.try_eval(expression).unwrap_or_else(|error| panic!("{expression}: {error:#}"))
    }

    fn try_eval(&self, expression: &str) -> Result<Value, Value> {
        let params = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true,
            "userGesture": true,
        });
        let result = self.send("Runtime.evaluate", params)?;
        let failure = &result["exceptionDetails"];
        if failure.is_null() { Ok(result["result"]["value"].clone()) } else { Err(failure.clone()) }
    }

    /// The text that can be seen.
    pub fn text(&self) -> String {
        self.eval("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    pub fn open(&self, address: &str) {
        // Another view of the same page would not be loaded again.
        self.call("Page.navigate", json!({ "url": "about:blank" }));
        let began = Instant::now();
        self.call("Page.navigate", json!({ "url": address }));
        // A browser has six connections to a server, in all tabs together.
        assert!(began.elapsed() < PATIENCE / 3, "the page before keeps its connections");
        self.until("document.readyState === 'complete'");
    }

    /// Waits until an expression is true. It may fail before, where one page follows another.
    pub fn until(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let value = self.try_eval(&format!("Boolean({expression})"));
            if value.as_ref().is_ok_and(|value| *value == true) {
                return;
            }
            let text = || self.text();
            assert!(Instant::now() < deadline, "{expression} is {value:?}:\n{}", text());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the page says something.
    pub fn until_text(&self, text: &str) {
        self.until(&format!("document.body.innerText.includes({})", json!(text)));
    }

    pub fn size(&self, width: u32, height: u32) {
        let mobile = width < 500;
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile,
        });
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// How many texts can be seen, as `seen`, and those among them that can hardly be read, as `bad`.
    pub fn contrast(&self) -> Value {
        self.eval(CONTRAST)
    }

    /// Null where nothing is wider than this many pixels, else what is.
    pub fn beyond(&self, width: u32) -> Value {
        self.eval(&format!("{BEYOND}({width})"))
    }

    /// What the reader prefers, such as `prefers-color-scheme`.
    pub fn prefers(&self, features: &[(&str, &str)]) {
        let features: Vec<_> =
            features.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    pub fn key(&self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            _ => 32,
        };
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let mut params = json!({
                "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code,
            });
            if kind == "keyDown" && !text.is_empty() {
                params["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", params);
        }
    }

    pub fn insert(&self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// What has happened in the page since this was last asked.
    pub fn events(&self) -> Vec<Value> {
        // What was sent before has come before the answer to this.
        self.eval("1");
        self.events.take()
    }

    /// Fails where the page asked another server for anything, or said that something is wrong.
    /// `expected`: parts of messages that are to be.
    pub fn assert_clean(&self, host: &str, expected: &[&str]) {
        for event in self.events() {
            let params = &event["params"];
            match event["method"].as_str().unwrap_or_default() {
                "Network.requestWillBeSent" => {
                    let url = params["request"]["url"].as_str().unwrap();
                    let own = url.starts_with(&format!("http://{host}/"));
                    let within =
                        ["blob:", "data:", "about:"].iter().any(|kind| url.starts_with(kind));
                    assert!(own || within, "the page asks for {url}");
                }
                "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded" => {
                    let text = params.to_string();
                    let known = expected.iter().any(|part| text.contains(part));
                    assert!(known, "the page says {params:#}");
                }
                _ => {}
            }
        }
    }

    /// A picture of the page, where `M2SD_SCREENSHOTS` names a folder for people to look at.
    /// The page on paper, as PDF.
    pub fn print(&self) -> Vec<u8> {
        let printed = self.call("Page.printToPDF", json!({}));
        from_base64(printed["data"].as_str().unwrap())
    }

    pub fn screenshot(&self, name: &str) {
        let Some(folder) = std::env::var_os("M2SD_SCREENSHOTS") else { return };
        let params = json!({ "format": "png", "captureBeyondViewport": true });
        let picture = self.call("Page.captureScreenshot", params);
        let picture = picture["data"].as_str().unwrap();
        let path = std::path::Path::new(&folder).join(format!("{name}.png"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(path, from_base64(picture)).unwrap();
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |byte: u8| DIGITS.iter().position(|known| *known == byte);
    let digits: Vec<_> = text.bytes().map_while(digit).collect();
    let bytes = digits.chunks(4).flat_map(|part| {
        let value = part
            .iter()
            .enumerate()
            .fold(0u32, |sum, (n, digit)| sum | (*digit as u32) << (18 - 6 * n));
        value.to_be_bytes()[1..part.len()].to_vec()
    });
    bytes.collect()
}

impl Drop for Browser {
    fn drop(&mut self) {
        // `exec` made the shell Chromium; its helpers end with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

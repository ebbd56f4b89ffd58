//! A page as its reader has it: looks, clicks, types, and reads.

use std::{fs, path::Path};

use data_encoding::BASE64;
use ngraph::picture::page::Document;
use serde_json::{Value, json};

use crate::{artifact, browser::Browser, sample};

/// The drawing library's own handle on what is drawn.
const CY: &str = "document.getElementById('graph')._cyreg.cy";

pub struct View {
    pub browser: Browser,
}

impl View {
    /// Opens the page of `document`, else says that the test is skipped.
    pub fn of(name: &str, document: &Document) -> Option<Self> {
        let mut view = Self { browser: Browser::start(&super::chromium()?) };
        view.size(1280, 800);
        view.open(&sample(name, document));
        Some(view)
    }

    /// Opens a file.
    pub fn open(&mut self, file: &Path) {
        self.browser.events.clear();
        self.browser.call("Page.navigate", json!({ "url": format!("file://{}", file.display()) }));
        while !self.browser.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            self.browser.wait_for_event("Page.loadEventFired");
        }
        self.settle();
    }

    /// Goes to a page that is empty and has no policy.
    pub fn leave(&mut self) {
        self.browser.call("Page.navigate", json!({ "url": "about:blank" }));
        self.browser.wait_for_event("Page.loadEventFired");
    }

    /// Waits for two frames: what the page puts off until it is drawn has happened then.
    fn settle(&mut self) {
        self.eval("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))");
    }

    /// Gives the page a size.
    pub fn size(&mut self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.browser.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Prefers dark colours, or light ones, as a reader's system does.
    pub fn prefer(&mut self, colours: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": colours }]);
        self.browser.call("Emulation.setEmulatedMedia", json!({ "features": features }));
        self.settle();
    }

    /// The value of an expression, as the page has it.
    pub fn eval(&mut self, expression: &str) -> Value {
        // By the page's own policy: the debugger could do more.
        let call = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
            "allowUnsafeEvalBlockedByCSP": false,
        });
        let result = self.browser.call("Runtime.evaluate", call);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// The value of an expression about `cy`, the drawing.
    pub fn drawing(&mut self, expression: &str) -> Value {
        self.eval(&format!("(cy => {expression})({CY})"))
    }

    /// The text of the first element that a selector finds, as it is shown.
    pub fn text(&mut self, selector: &str) -> String {
        let text = self.eval(&format!("document.querySelector({}).innerText", json!(selector)));
        text.as_str().unwrap().to_owned()
    }

    /// The texts of all elements that a selector finds and that are shown.
    pub fn texts(&mut self, selector: &str) -> Vec<String> {
        let texts = self.eval(&format!(
            "Array.from(document.querySelectorAll({})).filter(e => e.checkVisibility()).map(e => e.textContent)",
            json!(selector)
        ));
        serde_json::from_value(texts).unwrap()
    }

    /// Clicks in the middle of an element.
    pub fn click(&mut self, selector: &str) {
        let place = self.eval(&format!(
            "(e => {{ e.scrollIntoView({{ block: 'nearest' }}); const b = e.getBoundingClientRect(); \
             return [b.x + b.width / 2, b.y + b.height / 2] }})(document.querySelector({}))",
            json!(selector)
        ));
        self.click_at(&place);
    }

    /// Clicks a node of the drawing.
    pub fn click_node(&mut self, title: &str) {
        let place = self.drawing(&format!(
            "{{ const p = cy.nodes().filter(n => n.data('of').title === {}).renderedPosition(); \
             const b = cy.container().getBoundingClientRect(); return [b.x + p.x, b.y + p.y] }}",
            json!(title)
        ));
        self.click_at(&place);
    }

    fn click_at(&mut self, place: &Value) {
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            self.mouse(kind, place);
        }
        self.settle();
    }

    /// One event of the mouse; `mouseDragged` is a move with the button held.
    pub fn mouse(&mut self, kind: &str, place: &Value) {
        let (kind, button, buttons) = match kind {
            "mouseDragged" => ("mouseMoved", "left", 1),
            "mouseMoved" => (kind, "none", 0),
            _ => (kind, "left", 0),
        };
        let event = json!({
            "type": kind, "x": place[0], "y": place[1], "button": button, "buttons": buttons,
            "clickCount": 1,
        });
        self.browser.call("Input.dispatchMouseEvent", event);
    }

    /// Presses keys, one after the other, by the names that the DOM has for them.
    pub fn keys(&mut self, keys: &[&str]) {
        for key in keys {
            let mut event = json!({ "type": "keyDown", "key": key });
            let code = match *key {
                "Enter" => 13,
                "Tab" => 9,
                "Escape" => 27,
                "ArrowLeft" => 37,
                "ArrowUp" => 38,
                "ArrowDown" => 40,
                _ => u32::from(key.chars().next().unwrap().to_ascii_uppercase()),
            };
            event["windowsVirtualKeyCode"] = json!(code);
            if key.chars().count() == 1 {
                event["text"] = json!(key);
            } else if *key == "Enter" {
                event["text"] = json!("\r");
            }
            self.browser.call("Input.dispatchKeyEvent", event.clone());
            self.browser.call("Input.dispatchKeyEvent", json!({ "type": "keyUp", "key": key }));
        }
    }

    /// Types text, as a keyboard or an input method does.
    pub fn write(&mut self, text: &str) {
        self.browser.call("Input.insertText", json!({ "text": text }));
    }

    /// Keeps a picture of the page as it is.
    pub fn shoot(&mut self, name: &str) -> Vec<u8> {
        let shot = self.browser.call("Page.captureScreenshot", json!({ "format": "png" }));
        let png = BASE64.decode(shot["data"].as_str().unwrap().as_bytes()).unwrap();
        fs::write(artifact(&format!("{name}.png")), &png).unwrap();
        png
    }

    /// What went wrong since the page was opened: on the console, or by itself.
    pub fn complaints(&self) -> Vec<String> {
        let events = self.browser.events.iter();
        let complaints = events.filter(|event| {
            let method = event["method"].as_str().unwrap_or_default();
            ["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"]
                .contains(&method)
        });
        complaints.map(|event| event["params"].to_string()).collect()
    }

    /// What the page asked for, but itself.
    pub fn requests(&self) -> Vec<String> {
        let events = self.browser.events.iter();
        let requests = events.filter(|event| event["method"] == "Network.requestWillBeSent");
        let urls = requests.map(|event| event["params"]["request"]["url"].as_str().unwrap());
        urls.skip(1).map(str::to_owned).collect()
    }
}

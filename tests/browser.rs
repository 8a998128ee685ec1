//! The book as a reader sees it: in a real browser, headless, from a folder and without a network.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use headless_chrome::browser::tab::Tab;
use headless_chrome::protocol::cdp::types::Event;
use headless_chrome::protocol::cdp::{Emulation, Log, Network, Runtime};
use headless_chrome::{Browser, LaunchOptions};
use serde::Deserialize;
use serde_json::Value;

use crate::book::{built, html_pages};
use crate::paths;
use crate::support::{Lab, available, stage};

/// As wide as a laptop's window, and as a telephone.
const WIDTHS: [u32; 2] = [1280, 360];

/// What must not happen while a page is looked at: the browser looking for company.
const ALONE: [&str; 6] = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--force-color-profile=srgb",
];

/// A browser with the book open in it.
struct Reader {
    _browser: Browser,
    tab: Arc<Tab>,
    /// What the pages complained of on the console, and whom they asked for something.
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    complaints: Vec<String>,
    requests: Vec<String>,
}

fn chromium() -> Option<PathBuf> {
    let found = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
        .iter()
        .flat_map(|name| ["/usr/bin", "/usr/local/bin", "/snap/bin"].map(|folder| Path::new(folder).join(name)))
        .find(|path| path.exists());
    available(found.is_some(), "there is no Chromium on this machine").then_some(found).flatten()
}

impl Reader {
    /// Opens the book, where there is a browser.
    fn begin() -> Option<Reader> {
        let path = chromium()?;
        let options = LaunchOptions {
            path: Some(path),
            // Its sandbox is made of namespaces, which root and containers cannot have in the way it wants them.
            sandbox: false,
            args: ALONE.iter().map(OsStr::new).collect(),
            process_envs: Some([("TMPDIR".to_owned(), paths::scratch().to_str().unwrap().to_owned())].into()),
            idle_browser_timeout: Duration::from_secs(300),
            ..LaunchOptions::default()
        };
        let browser = Browser::new(options).expect("Chromium starts");
        let tab = browser.new_tab().expect("a tab");
        tab.set_default_timeout(Duration::from_secs(60));
        tab.enable_runtime().unwrap();
        tab.enable_log().unwrap();
        tab.call_method(Network::Enable {
            max_total_buffer_size: None,
            max_resource_buffer_size: None,
            max_post_data_size: None,
            report_direct_socket_traffic: None,
            enable_durable_messages: None,
        })
        .unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let notes = Arc::clone(&seen);
        tab.add_event_listener(Arc::new(move |event: &Event| notes.lock().unwrap().note(event))).unwrap();
        Some(Reader { _browser: browser, tab, seen })
    }

    fn url(&self, page: &str) -> String {
        format!("file://{}/{page}", built().folder.display())
    }

    fn open(&self, page: &str, width: u32) {
        self.tab
            .call_method(Emulation::SetDeviceMetricsOverride {
                width,
                height: 800,
                device_scale_factor: 1.0,
                mobile: false,
                scale: None,
                screen_width: None,
                screen_height: None,
                position_x: None,
                position_y: None,
                dont_set_visible_size: None,
                screen_orientation: None,
                viewport: None,
                display_feature: None,
                device_posture: None,
            })
            .unwrap();
        self.tab.navigate_to(&self.url(page)).unwrap();
        self.ask::<bool>(LOADED);
    }

    /// What a script says in the page: JSON.
    #[track_caller]
    fn ask<T: for<'a> Deserialize<'a>>(&self, script: &str) -> T {
        let answer = self.tab.evaluate(script, true).unwrap_or_else(|why| panic!("{}: {why}", self.tab.get_url()));
        let answer =
            answer.value.unwrap_or_else(|| panic!("{}: no answer: {:?}", self.tab.get_url(), answer.description));
        serde_json::from_str(answer.as_str().expect("a string")).expect("JSON")
    }
}

impl Seen {
    fn note(&mut self, event: &Event) {
        match event {
            Event::RuntimeConsoleAPICalled(said) => {
                let kind = &said.params.Type;
                if matches!(
                    kind,
                    Runtime::ConsoleAPICalledEventTypeOption::Error | Runtime::ConsoleAPICalledEventTypeOption::Warning
                ) {
                    self.complaints.push(format!("{:?}", said.params.args));
                }
            }
            Event::RuntimeExceptionThrown(thrown) => {
                self.complaints.push(format!("{:?}", thrown.params.exception_details))
            }
            Event::LogEntryAdded(entry) => {
                let entry = &entry.params.entry;
                if matches!(entry.level, Log::LogEntryLevel::Error | Log::LogEntryLevel::Warning) {
                    self.complaints.push(format!("{}: {:?}", entry.text, entry.url));
                }
            }
            Event::NetworkRequestWillBeSent(request) => self.requests.push(request.params.request.url.clone()),
            _ => {}
        }
    }
}

/// Waits until a page is there with all that belongs to it. The library waits until the network has been idle for some
/// time as well, and looks once a second.
const LOADED: &str = r#"new Promise(done => {
    const loaded = () => done("true");
    document.readyState === "complete" ? loaded() : addEventListener("load", loaded);
})"#;

/// What a page says of itself: see tests/browser.js.
#[derive(Deserialize)]
struct Report {
    problems: Vec<String>,
    links: Vec<String>,
    ids: BTreeSet<String>,
    blocks: usize,
    pictures: usize,
}

const LOOK: &str = include_str!("browser.js");

/// One browser for all that is looked at: it takes longer to start than to look.
#[test]
fn the_book_is_in_a_browser_what_it_is_meant_to_be() {
    let Some(reader) = Reader::begin() else { return };
    every_page_is_shown_as_it_is_meant(&reader);
    the_search_finds_nspid(&reader);
    if let Some(lab) = stage() {
        a_transcript_has_the_terminals_colours(&reader, &lab);
    }
}

fn every_page_is_shown_as_it_is_meant(reader: &Reader) {
    // The whole book on one page is for printers, and prints itself as soon as it is opened; the other one is the table of
    // contents of a reader without scripts.
    let pages = html_pages(&built().folder).into_iter().map(|(name, _)| name);
    let pages: Vec<String> = pages.filter(|name| name != "print.html" && name != "toc.html").collect();
    let (mut problems, mut reports) = (Vec::new(), BTreeMap::new());
    for page in &pages {
        for width in WIDTHS {
            reader.open(page, width);
            let report: Report = reader.ask(LOOK);
            problems.extend(report.problems.iter().map(|problem| format!("{page}: {problem}")));
            reports.insert(reader.url(page), report);
        }
    }
    for (page, report) in &reports {
        for link in &report.links {
            let (target, fragment) = link.split_once('#').unwrap_or((link, ""));
            if !target.starts_with("file://") || target.ends_with("/print.html") {
                continue; // To another host, which only a reader who clicks asks for something.
            }
            match reports.get(target) {
                None => problems.push(format!("{page}: {link} leads nowhere")),
                Some(other) if !fragment.is_empty() && !other.ids.contains(fragment) => {
                    problems.push(format!("{page}: {link} leads to a page without that place"));
                }
                Some(_) => {}
            }
        }
        let of_a_lesson = page.contains("/lessons/");
        if of_a_lesson && (report.blocks < 10 || report.pictures < 2) {
            problems.push(format!("{page}: {} blocks of output and {} pictures", report.blocks, report.pictures));
        }
    }
    // What the last page asks for late is asked for by now.
    reader.tab.navigate_to(&reader.url("index.html")).unwrap().wait_until_navigated().unwrap();
    let seen = reader.seen.lock().unwrap();
    problems.extend(seen.complaints.iter().map(|complaint| format!("on the console: {complaint}")));
    let home = reader.url("");
    let abroad = seen.requests.iter().filter(|url| !url.starts_with(&home) && !url.starts_with("data:"));
    problems.extend(abroad.map(|url| format!("asked for {url}")));
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    assert!(seen.requests.len() > pages.len(), "the browser's requests were not seen");
}

/// Types into the search field, as a reader does, and waits for what is found: the pages.
const SEARCH: &str = r##"(async () => {
    document.getElementById("mdbook-search-toggle").click();
    const field = document.getElementById("mdbook-searchbar");
    const found = new Promise(done => {
        new MutationObserver(() => done()).observe(document.getElementById("mdbook-searchresults"), { childList: true });
    });
    field.value = "NSpid";
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.dispatchEvent(new KeyboardEvent("keyup", { key: "d", bubbles: true }));
    await found;
    return JSON.stringify([...document.querySelectorAll("#mdbook-searchresults a")].map(link => link.href));
})()"##;

fn the_search_finds_nspid(reader: &Reader) {
    reader.open("index.html", 1280);
    let found: Vec<String> = reader.ask(SEARCH);
    assert!(found.iter().any(|link| link.contains("lessons/pid.html")), "{found:?}");
}

/// The blocks of a page that are transcripts: each letter with the class that it is in.
const COLOURS: &str = r#"JSON.stringify([...document.querySelectorAll("code.transcript")].map(block =>
    [...block.childNodes].flatMap(node => [...node.textContent].map(letter => [letter, node.className || ""]))))"#;

fn a_transcript_has_the_terminals_colours(reader: &Reader, lab: &Lab) {
    for lesson in lab.lessons() {
        let id = lesson["id"].as_str().unwrap();
        reader.open(&format!("lessons/{id}.html"), 1280);
        let blocks: Vec<Vec<(String, String)>> = reader.ask(COLOURS);
        assert_eq!(Value::from(blocks.len()), lesson["steps"], "the transcripts on the page of {id}");
        for (index, block) in blocks.iter().enumerate() {
            let step = (index + 1).to_string();
            let run = lab.run(["lesson", id, "--step", &step, "--scrub", "--color", "always"]).env("COLUMNS", "80");
            let terminal = painted(&run.end().must_be(0).stdout);
            let begin = terminal.iter().position(|line| text(line).starts_with(&format!("{step}/"))).unwrap();
            let shown: Vec<(String, String)> = block.iter().filter(|(letter, _)| letter != "\n").cloned().collect();
            let mut expected = terminal[begin..].iter().flatten();
            for (place, (letter, class)) in shown.iter().enumerate() {
                let (wanted, meaning) = expected.next().expect("the terminal shows as much");
                let context: String =
                    shown[place.saturating_sub(50)..=place].iter().map(|(letter, _)| letter.as_str()).collect();
                assert_eq!(letter.trim(), wanted.to_string().trim(), "{id} step {step}, after: {context}");
                let blank = letter.trim().is_empty();
                assert!(
                    blank || class == meaning,
                    "{id} step {step}: '{class}' and not '{meaning}' at the end of: {context}"
                );
            }
        }
    }
}

type Letters = Vec<(char, &'static str)>;

fn text(line: &Letters) -> String {
    line.iter().map(|(letter, _)| letter).collect()
}

/// What a terminal shows, line by line: each letter with its meaning, by the colour that it has.
fn painted(output: &str) -> Vec<Letters> {
    let mut lines = vec![Letters::new()];
    let mut meaning = "";
    let mut rest = output;
    while let Some(letter) = rest.chars().next() {
        if let Some(escape) = rest.strip_prefix("\u{1b}[") {
            let (code, after) = escape.split_once('m').unwrap();
            meaning = match code {
                "0" => "",
                "1" => "strong",
                "2" => "quiet",
                "32" => "held",
                "33" => "notice",
                "36" => "ns-0",
                "35" => "ns-1",
                "94" => "ns-2",
                "96" => "ns-3",
                "95" => "ns-4",
                "34" => "ns-5",
                // Any other one puts an end to it, like `39`.
                "39" | "22" => "",
                other => panic!("a colour without a meaning: {other}"),
            };
            rest = after;
            continue;
        }
        match letter {
            '\n' => lines.push(Letters::new()),
            letter => lines.last_mut().unwrap().push((letter, meaning)),
        }
        rest = &rest[letter.len_utf8()..];
    }
    lines
}

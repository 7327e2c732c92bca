//! The habits of this repository, kept by a test that only reads: what every file looks like, how long functions get,
//! which crate may know which other, and that the commands which the documents name are the right ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/items.rs"]
mod items;
#[path = "tidy/tokens.rs"]
mod tokens;

const LINE_CHARACTERS_MAX: usize = 140;
const FUNCTION_LINES_MAX: usize = 70;

/// Neither part of the repository nor written by people.
const LEFT_OUT: [&str; 3] = ["target", ".git", "store"];

/// Crates of the workspace with the other ones that each may know, tests included.
const ARROWS: [(&str, &[&str]); 10] = [
    ("checker", &[]),
    ("nemesis", &[]),
    // Its tests alone: a node shows its clock, and is stopped and killed all the same.
    ("nemesis/clock", &["nemesis/sandbox"]),
    ("nemesis/disk", &[]),
    ("nemesis/network", &[]),
    ("nemesis/sandbox", &[]),
    ("cluster/core", &[]),
    ("workloads", &["checker"]),
    ("reports", &["checker"]),
    ("cluster/node", &["cluster/core"]),
];

/// Folders of sources in which no two files import from each other, directly or by way of others.
const LAYERED: [&str; 9] = [
    "checker/src",
    "cluster/core/src",
    "nemesis/clock/src",
    "nemesis/disk/src",
    "nemesis/network/src",
    "nemesis/sandbox/src",
    "nemesis/src",
    "src",
    "workloads/src",
];

/// Crates that ask the kernel for what no safe library has: they deny unsafe code but in the few functions that allow it.
const OF_THE_KERNEL: [&str; 3] = ["nemesis/clock", "nemesis/network", "nemesis/sandbox"];

/// Where files do import from each other: sources of `check` and its reports.
const CIRCLE: &str = "src/cli/check";

/// The crates of the bundled system, which only its folder knows.
const BUNDLED: [(&str, [&str; 2]); 1] = [("dynamo", ["cluster_core", "cluster_node"])];

#[test]
fn every_source_file_opens_with_what_it_is_about() {
    let silent = sources().filter(|(_, text)| !text.starts_with("//! "));
    none("without a module doc at the top", silent.map(|(path, _)| path));
}

#[test]
fn lines_fit_on_a_screen() {
    let long = sources().flat_map(|(path, text)| {
        let numbered = text.lines().zip(1..).map(|(line, number)| (number, line.chars().count()));
        let long = numbered.filter(|(_, characters)| *characters > LINE_CHARACTERS_MAX);
        long.map(|(number, characters)| format!("{path}:{number} ({characters})")).collect::<Vec<_>>()
    });
    none(&format!("longer than {LINE_CHARACTERS_MAX} characters"), long);
}

#[test]
fn functions_fit_on_a_screen() {
    let long = sources().flat_map(|(path, text)| {
        let long = functions(&text).into_iter().filter(|function| function.lines > FUNCTION_LINES_MAX);
        long.map(|function| format!("{path}:{} ({} lines) {}", function.at, function.lines, function.signature))
            .collect::<Vec<_>>()
    });
    none(&format!("longer than {FUNCTION_LINES_MAX} lines"), long);
}

#[test]
fn nothing_is_unfinished_and_nothing_speaks_of_a_machine() {
    let forbidden = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("to", "do!"),
        concat!("unimple", "mented!"),
        concat!("db", "g!"),
    ];
    let found = files().flat_map(|(path, text)| {
        let lines = text.lines().zip(1..);
        let bad = lines.filter(|(line, _)| forbidden.iter().any(|word| line.contains(word)));
        bad.map(|(line, number)| format!("{path}:{number}: {}", line.trim())).collect::<Vec<_>>()
    });
    none("that is unfinished or names a place on one machine", found);
}

#[test]
fn crates_know_only_those_they_may() {
    let root = manifest("");
    let members: BTreeSet<&str> = strings(&root["workspace"]["members"]).collect();
    let judged: BTreeSet<&str> = ARROWS.iter().map(|(folder, _)| *folder).collect();
    assert_eq!(members, judged, "a crate has joined or left: say here what it may know");
    for (folder, allowed) in ARROWS {
        let known = workspace_dependencies(folder, &root);
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        let excess: Vec<_> = known.iter().filter(|known| !allowed.contains(known.as_str())).collect();
        assert!(excess.is_empty(), "{folder} must not know {excess:?}");
    }
}

#[test]
fn every_crate_keeps_the_workspaces_lints() {
    let root = manifest("");
    let mut with_unsafe = root["workspace"]["lints"].clone();
    with_unsafe["rust"]["unsafe_code"] = "deny".into();
    for (folder, _) in ARROWS.into_iter().chain([("", &[][..])]) {
        let lints = &manifest(folder)["lints"];
        match OF_THE_KERNEL.contains(&folder) {
            true => assert_eq!(*lints, with_unsafe, "{folder} keeps the workspace's lints, but for unsafe code"),
            false => assert_eq!(lints["workspace"].as_bool(), Some(true), "{folder} has lints of its own"),
        }
    }
}

#[test]
fn the_readme_names_the_commands() {
    let readme = fs::read_to_string(repository().join("README.md")).expect("there is a README.md");
    for command in ["cargo run --release -- run", "cargo test --workspace"] {
        assert!(readme.contains(command), "the README does not mention `{command}`");
    }
}

/// A test that is renamed takes its row in the documents along.
#[test]
fn tests_that_the_documents_name_are_there() {
    let text = fs::read_to_string(repository().join("docs/dynamo.md")).expect("the document is there");
    let named: BTreeSet<(String, &str)> = text.split('`').skip(1).step_by(2).filter_map(test_of).collect();
    assert!(named.len() > 100, "only {} tests are named", named.len());
    let is_there = |(path, test): &&(String, &str)| {
        let source = fs::read_to_string(repository().join(path)).unwrap_or_default();
        source.contains(&format!("fn {test}("))
    };
    let missing = named.iter().filter(|named| !is_there(named));
    none("tests named in docs/dynamo.md and not there", missing.map(|(path, test)| format!("{path}: {test}")));
}

/// What is above may know what is below it, and nothing the other way round.
#[test]
fn no_file_imports_from_one_above_it() {
    for folder in LAYERED {
        let imports = imports::imports(&files_below(folder));
        assert!(imports.values().any(|targets| !targets.is_empty()), "no import is found in {folder}");
        let circles = imports::circles(&imports);
        let known = |circle: &&Vec<String>| !circle.iter().all(|file| format!("{folder}/{file}").starts_with(CIRCLE));
        let circles = circles.iter().filter(known).map(|circle| imports::described(circle, &imports));
        none(&format!("circles of imports in {folder}"), circles);
    }
}

/// A system is a folder and a row of the registry: no other source of the bench names it, or a crate of its own.
#[test]
fn only_its_folder_names_a_system() {
    let folders = fs::read_dir(repository().join("src/systems")).expect("the systems").flatten();
    let systems: Vec<String> = folders
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(!systems.is_empty(), "there are systems");
    let bench = files_below("src").into_iter().filter(|(path, _)| path != "systems/mod.rs");
    let named = bench.flat_map(|(path, text)| {
        let others = systems.iter().filter(|system| !path.starts_with(&format!("systems/{system}/")));
        let words = others.flat_map(|system| {
            let crates = BUNDLED.iter().filter(|(of, _)| of == system).flat_map(|(_, crates)| crates.iter().copied());
            std::iter::once(system.as_str()).chain(crates).collect::<Vec<_>>()
        });
        let text = text.to_lowercase();
        words.filter(|word| is_named(&text, word)).map(|word| format!("{path}: {word}")).collect::<Vec<_>>()
    });
    none("names of systems outside their folders", named);
}

/// Whether a word is in a text, and not a part of another one. `Error::custom` of serde names no system, neither does a client
/// of a protocol that many of them speak, and who has written a history is none either.
fn is_named(text: &str, word: &str) -> bool {
    let text = ["error::custom", "tokio_postgres", "tokio-postgres", "of jepsen or of maelstrom"]
        .iter()
        .fold(text.to_owned(), |text, no| text.replace(no, ""));
    let is_letter = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    text.match_indices(word)
        .any(|(at, _)| !is_letter(text[..at].chars().next_back()) && !is_letter(text[at + word.len()..].chars().next()))
}

/// The measurement of imports measures: names are followed to where they are defined, through re-exports and nested
/// lists, and what only a test imports does not count.
#[test]
fn circles_of_imports_are_found() {
    let made_up = [
        ("lib.rs", "pub mod low;\nmod high;\nmod inner;\npub use high::High;\n"),
        ("low.rs", "use crate::{High as Other, inner::deep::{self, Deep}};\npub struct Low(Other, Deep);\n"),
        (
            "high.rs",
            "/* use super::inner::deep::Deep; */ pub struct High;\nfn f<'a>() { crate::low::Low::new(\"'\") }\n",
        ),
        ("inner/mod.rs", "pub mod deep;\npub use deep::Deep;\n"),
        ("inner/deep.rs", "pub struct Deep;\n#[cfg(test)]\nmod tests {\n    use crate::low::Low;\n}\n"),
    ];
    let files: Vec<(String, String)> = made_up.map(|(path, text)| (path.to_owned(), text.to_owned())).to_vec();
    let imports = imports::imports(&files);
    let of = |file: &str| imports[file].keys().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(of("low.rs"), ["high.rs", "inner/deep.rs"]);
    assert_eq!(of("high.rs"), ["low.rs"]);
    assert!(of("lib.rs").is_empty() && of("inner/mod.rs").is_empty() && of("inner/deep.rs").is_empty());
    assert_eq!(imports::circles(&imports), [["high.rs", "low.rs"]]);
    let described = imports::described(&imports::circles(&imports)[0], &imports);
    assert!(described.contains("high.rs -> low.rs: Low"), "{described}");
}

/// The counting of functions counts.
#[test]
fn functions_are_found_and_measured() {
    let text = "\
trait Short {
    fn declared(&self);
    fn spread(
        &self,
    ) -> u8;
    pub(crate) async fn one() {}
}
impl X {
    pub const fn two<'a>(
        self,
    ) -> u8 {
        match self {
            _ => 1,
        }
    }
}
fn last() {
    // fn in_a_comment() {
}
";
    let measured: Vec<(usize, usize)> = functions(text).iter().map(|function| (function.at, function.lines)).collect();
    assert_eq!(measured, [(6, 1), (9, 7), (17, 3)]);
}

struct Function {
    /// Line of its `fn`, from 1.
    at: usize,
    lines: usize,
    signature: String,
}

/// Functions with a body. Formatted code needs no parser: what opens at an indentation ends at the next brace of the
/// same.
fn functions(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().collect();
    let measure = |start: usize| {
        let indentation = indentation(lines[start]);
        let closes = |line: &str| line.starts_with('}') || line.ends_with(';');
        let at_its_level = |line: &&str| self::indentation(line) == indentation && !line.trim().is_empty();
        let end = match lines[start].trim_end().ends_with(['}', ';']) {
            true => start,
            false => (start + 1..lines.len()).find(|at| at_its_level(&lines[*at]) && closes(lines[*at].trim()))?,
        };
        let declared_only = lines[end].trim_end().ends_with(';');
        (!declared_only).then(|| Function {
            at: start + 1,
            lines: end - start + 1,
            signature: lines[start].trim().to_owned(),
        })
    };
    (0..lines.len()).filter(|at| is_function(lines[*at])).filter_map(measure).collect()
}

/// The file and the name of a test, from `FILE::TEST`: a path in the repository, or a file of the core's tests or,
/// behind `node/`, of the node's.
fn test_of(code: &str) -> Option<(String, &str)> {
    let (file, test) =
        code.split_once("::").filter(|(file, test)| test.contains('_') && *file == file.to_lowercase())?;
    let path = match file.strip_prefix("node/") {
        _ if file.ends_with(".rs") => file.to_owned(),
        Some(file) => format!("cluster/node/tests/{file}.rs"),
        None => format!("cluster/core/tests/{file}.rs"),
    };
    Some((path, test))
}

/// Whether the line begins a function: `fn` after nothing but qualifiers.
fn is_function(line: &str) -> bool {
    let mut words = line
        .split_whitespace()
        .skip_while(|word| word.starts_with("pub") || ["const", "async", "unsafe", "extern", "\"C\""].contains(word));
    words.next() == Some("fn") && words.next().is_some()
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Folders of the workspace's crates that a crate depends on, for whatever purpose.
fn workspace_dependencies(folder: &str, root: &toml::Table) -> BTreeSet<String> {
    let folders: BTreeMap<&str, &str> = root["workspace"]["dependencies"]
        .as_table()
        .into_iter()
        .flatten()
        .filter_map(|(name, dependency)| Some((name.as_str(), dependency.get("path")?.as_str()?)))
        .collect();
    assert_eq!(folders.len(), ARROWS.len(), "every crate is reached by its name in the workspace");
    let manifest = manifest(folder);
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let named = kinds.into_iter().filter_map(|kind| manifest.get(kind)?.as_table());
    let known = named.flatten().filter_map(|(name, dependency)| {
        assert!(dependency.get("path").is_none(), "{folder} reaches {name} by a path of its own");
        folders.get(name.as_str()).map(|folder| (*folder).to_owned())
    });
    assert!(manifest.get("target").is_none(), "{folder} has dependencies for some targets: judge them here, too");
    known.collect()
}

fn strings(array: &toml::Value) -> impl Iterator<Item = &str> {
    array.as_array().into_iter().flatten().filter_map(toml::Value::as_str)
}

fn manifest(folder: &str) -> toml::Table {
    let path = repository().join(folder).join("Cargo.toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Panics if there is any, with all of them.
#[track_caller]
fn none(what: &str, found: impl Iterator<Item = String>) {
    let found: Vec<String> = found.collect();
    assert!(found.is_empty(), "{} {what}:\n{}", found.len(), found.join("\n"));
}

fn sources() -> impl Iterator<Item = (String, String)> {
    let sources: Vec<_> = files().filter(|(path, _)| path.ends_with(".rs")).collect();
    assert!(sources.len() > 100, "the whole workspace is read");
    sources.into_iter()
}

/// The sources below a folder, by their paths in it.
fn files_below(folder: &str) -> Vec<(String, String)> {
    let below = |(path, text): (String, String)| Some((path.strip_prefix(&format!("{folder}/"))?.to_owned(), text));
    sources().filter_map(below).collect()
}

/// Every text file of the repository: its path in it, and its content.
fn files() -> impl Iterator<Item = (String, String)> {
    let mut paths = Vec::new();
    walk(repository(), &mut paths);
    paths.into_iter().filter_map(|path| {
        let text = String::from_utf8(fs::read(&path).ok()?).ok()?;
        let path = path.strip_prefix(repository()).ok()?.display().to_string();
        Some((path, text))
    })
}

fn walk(dir: &Path, paths: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().expect("the type of a directory's entry");
        // The fuzz targets are a workspace of their own, with a build directory of their own.
        let is_workspace = dir == repository() || dir == repository().join("fuzz");
        let left_out = LEFT_OUT.iter().any(|name| entry.file_name() == *name) && is_workspace;
        match kind {
            kind if kind.is_dir() && !left_out => walk(&entry.path(), paths),
            kind if kind.is_file() && !left_out => paths.push(entry.path()),
            _ => {}
        }
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
